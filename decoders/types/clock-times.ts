import type { CellCodec } from "../../src/core/cell-codec.js";
import { Interval } from "../../src/core/interval.js";
import { TimeOfDay } from "../../src/core/time-of-day.js";
import { badValue, text } from "./text.js";

const TIME = /^(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?(?:([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?)?$/;

/** time and timetz. */
export function time(typeName: string): CellCodec {
  const hasZone = typeName === "time with time zone";
  return {
    ...timeFacts(typeName),
    decode(bytes, start, end) {
      const match = TIME.exec(text(bytes, start, end));
      if (match === null || (match[5] !== undefined) !== hasZone) {
        throw badValue(typeName, start, end);
      }
      const part = (i: number): number => Number(match[i] ?? 0);
      const micros =
        (part(1) * 3600 + part(2) * 60 + part(3)) * 1_000_000 +
        Number((match[4] ?? "").padEnd(6, "0"));
      if (micros > 86_400_000_000) throw badValue(typeName, start, end);
      if (!hasZone) return TimeOfDay.of(micros);
      const east = part(6) * 3600 + part(7) * 60 + part(8);
      return TimeOfDay.of(micros, match[5] === "-" ? -east : east);
    },
  };
}

/** What both forms of time and timetz share. */
export function timeFacts(
  typeName: string,
): Pick<CellCodec, "kind" | "typeName" | "tsType" | "hasCanonicalBytes"> {
  return { kind: "time", typeName, tsType: "TimeOfDay", hasCanonicalBytes: true };
}

// intervalstyle=postgres (manual, 8.5.5): units in this order, then a signed clock.
const INTERVAL = new RegExp(
  "^(?:([+-]?\\d+) years?)? ?(?:([+-]?\\d+) mons?)? ?(?:([+-]?\\d+) days?)? ?" +
    "(?:([+-]?)(\\d+):(\\d\\d):(\\d\\d)(?:\\.(\\d{1,6}))?)?$",
);

/** What both forms of interval share; intervals that are equal may differ in their parts. */
export const INTERVAL_FACTS: Pick<CellCodec, "kind" | "typeName" | "tsType" | "hasCanonicalBytes"> =
  { kind: "interval", typeName: "interval", tsType: "Interval", hasCanonicalBytes: false };

export const interval: CellCodec = {
  ...INTERVAL_FACTS,
  decode(bytes, start, end) {
    const printed = text(bytes, start, end);
    if (printed === "infinity") return Interval.infinity;
    if (printed === "-infinity") return Interval.negativeInfinity;
    const match = INTERVAL.exec(printed);
    if (match === null || printed === "") throw badValue("interval", start, end);
    const whole = (i: number): bigint => BigInt(match[i]?.replace("+", "") ?? 0);
    const clock =
      (whole(5) * 3600n + whole(6) * 60n + whole(7)) * 1_000_000n +
      BigInt((match[8] ?? "").padEnd(6, "0"));
    return Interval.of({
      months: Number(whole(1) * 12n + whole(2)),
      days: Number(whole(3)),
      micros: match[4] === "-" ? -clock : clock,
    });
  },
};
