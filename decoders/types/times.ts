import { CalendarDate } from "../../src/core/calendar-date.js";
import type { CellCodec } from "../../src/core/cell-codec.js";
import { daysFromCivil, Timestamp } from "../../src/core/timestamp.js";
import { badValue, text } from "./text.js";

// The ISO form under datestyle=ISO, timezone=UTC: `2026-11-23 06:07:14.123456+00`, with years of
// four or more digits, an optional fraction, an optional zone of +HH[:MM[:SS]] and ` BC`.
// (manual: 8.5.2, Date/Time Output)

const MS_PER_DAY = 86_400_000;
const DASH = 0x2d;
const COLON = 0x3a;
const POINT = 0x2e;
const SPACE = 0x20;
const PLUS = 0x2b;

/** Microseconds below the millisecond of the timestamp read last; valid until the next read. */
let restMicros = 0;

function readTimestamp(typeName: string, bytes: Uint8Array, start: number, end: number): number {
  // The common shape, four digits of year, is read in place; the rest falls to a slow path.
  const isCommon =
    end - start >= 19 &&
    bytes[start + 4] === DASH &&
    bytes[start + 7] === DASH &&
    bytes[start + 10] === SPACE &&
    bytes[start + 13] === COLON &&
    bytes[start + 16] === COLON;
  if (!isCommon) return readUncommon(typeName, bytes, start, end);
  let ms =
    dayMs(fourDigits(bytes, start), two(bytes, start + 5), two(bytes, start + 8)) +
    timeMs(two(bytes, start + 11), two(bytes, start + 14), two(bytes, start + 17));
  let at = start + 19;
  restMicros = 0;
  if (at < end && bytes[at] === POINT) {
    let micros = 0;
    let digits = 0;
    for (at++; at < end && digits < 6 && isDigit(bytes[at] as number); at++, digits++) {
      micros = micros * 10 + (bytes[at] as number) - 48;
    }
    if (digits === 0) throw badValue(typeName, start, end);
    for (; digits < 6; digits++) micros *= 10;
    restMicros = micros % 1000;
    ms += (micros - restMicros) / 1000;
  }
  if (at === end) return checked(typeName, ms, start, end);
  if (end - at === 3 && bytes[at] === PLUS && two(bytes, at + 1) === 0) {
    return checked(typeName, ms, start, end);
  }
  return readUncommon(typeName, bytes, start, end);
}

function checked(typeName: string, ms: number, start: number, end: number): number {
  if (Number.isNaN(ms)) throw badValue(typeName, start, end);
  return ms;
}

/** Midnight of a date; NaN for what no calendar has. */
function dayMs(year: number, month: number, day: number): number {
  const isDay = month >= 1 && month <= 12 && day >= 1 && day <= 31;
  return isDay ? daysFromCivil(year, month, day) * MS_PER_DAY : Number.NaN;
}

function timeMs(hour: number, minute: number, second: number): number {
  const isTime = hour <= 23 && minute <= 59 && second <= 59;
  return isTime ? (hour * 3600 + minute * 60 + second) * 1000 : Number.NaN;
}

function fourDigits(bytes: Uint8Array, at: number): number {
  return two(bytes, at) * 100 + two(bytes, at + 2);
}

function two(bytes: Uint8Array, at: number): number {
  const tens = (bytes[at] as number) - 48;
  const ones = (bytes[at + 1] as number) - 48;
  return tens >= 0 && tens <= 9 && ones >= 0 && ones <= 9 ? tens * 10 + ones : Number.NaN;
}

function isDigit(byte: number): boolean {
  return byte >= 48 && byte <= 57;
}

const UNCOMMON =
  /^(\d{4,7})-(\d\d)-(\d\d)(?: (\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?)?(?:([+-])(\d\d)(?::(\d\d))?(?::(\d\d))?)?( BC)?$/;

function readUncommon(typeName: string, bytes: Uint8Array, start: number, end: number): number {
  const value = text(bytes, start, end);
  restMicros = 0;
  if (value === "infinity") return Number.POSITIVE_INFINITY;
  if (value === "-infinity") return Number.NEGATIVE_INFINITY;
  const match = UNCOMMON.exec(value);
  const isDate = match?.[4] === undefined;
  if (match === null || isDate !== (typeName === "date")) throw badValue(typeName, start, end);
  const part = (i: number): number => Number(match[i] ?? 0);
  const year = match[12] === undefined ? part(1) : 1 - part(1);
  const zone = part(9) * 3600 + part(10) * 60 + part(11);
  const whole =
    dayMs(year, part(2), part(3)) +
    timeMs(part(4), part(5), part(6)) -
    (match[8] === "-" ? -zone : zone) * 1000;
  const micros = Number((match[7] ?? "").padEnd(6, "0"));
  // Past 2^53 ms (year 287396) doubles hold only even milliseconds; the rest is then larger.
  const ms = Math.floor(micros / 1000);
  restMicros = micros % (whole > Number.MAX_SAFE_INTEGER - ms ? 2000 : 1000);
  return checked(typeName, whole + (micros - restMicros) / 1000, start, end);
}

/** What both forms of timestamp and timestamptz share. */
export function timestampFacts(
  typeName: string,
): Pick<CellCodec, "kind" | "typeName" | "tsType" | "hasCanonicalBytes"> {
  return { kind: "timestamp", typeName, tsType: "Timestamp", hasCanonicalBytes: true };
}

/** timestamp and timestamptz. */
export function timestamp(typeName: string): CellCodec {
  return {
    ...timestampFacts(typeName),
    decode(bytes, start, end) {
      const ms = readTimestamp(typeName, bytes, start, end);
      return Timestamp.of(ms, restMicros);
    },
    readEpochMs: (bytes, start, end) => readTimestamp(typeName, bytes, start, end),
  };
}

/** What both forms of date share. */
export const DATE_FACTS: Pick<CellCodec, "kind" | "typeName" | "tsType" | "hasCanonicalBytes"> = {
  kind: "date",
  typeName: "date",
  tsType: "CalendarDate",
  hasCanonicalBytes: true,
};

/** date: a day for users, midnight UTC for windows. */
export const date: CellCodec = {
  ...DATE_FACTS,
  decode: (bytes, start, end) => {
    return CalendarDate.ofEpochDays(readDate(bytes, start, end) / MS_PER_DAY);
  },
  readEpochMs: readDate,
};

function readDate(bytes: Uint8Array, start: number, end: number): number {
  if (end - start === 10 && bytes[start + 4] === DASH && bytes[start + 7] === DASH) {
    const ms = dayMs(fourDigits(bytes, start), two(bytes, start + 5), two(bytes, start + 8));
    return checked("date", ms, start, end);
  }
  return readUncommon("date", bytes, start, end);
}
