import { TidemarkError } from "./errors.js";

const UNITS: readonly (readonly [ms: number, ...names: string[]])[] = [
  [1, "ms", "millisecond", "milliseconds"],
  [1_000, "s", "sec", "secs", "second", "seconds"],
  [60_000, "m", "min", "mins", "minute", "minutes"],
  [3_600_000, "h", "hour", "hours"],
  [86_400_000, "d", "day", "days"],
  [604_800_000, "week", "weeks"],
];
const UNIT_MS: ReadonlyMap<string, number> = new Map(
  UNITS.flatMap(([ms, ...names]) => names.map((name) => [name, ms] as const)),
);

/** A length of time: milliseconds, or text such as `500ms`, `5s`, `1 minute`, `1h30m`. */
export type Duration = number | string;

/**
 * Milliseconds of a duration. Units: ms, s, m (minute), h, d, week and their long names; several
 * may follow each other. `option` names the setting in the CONFIG_INVALID error.
 */
export function parseDuration(value: Duration, option: string): number {
  if (typeof value === "number") {
    if (Number.isFinite(value) && value >= 0) return value;
  } else {
    const text = value.trim().toLowerCase();
    const part = /(\d+(?:\.\d+)?)\s*([a-z]+)\s*/y;
    let total = 0;
    while (part.lastIndex < text.length) {
      const match = part.exec(text);
      const factor = UNIT_MS.get(match?.[2] ?? "");
      if (match === null || factor === undefined) break;
      total += Number(match[1]) * factor;
      if (!Number.isFinite(total)) break;
      // To the microsecond: 1.005 s times 1000 is 1004.9999999999999 in doubles.
      if (part.lastIndex === text.length) return Math.round(total * 1000) / 1000;
    }
  }
  throw new TidemarkError(
    "CONFIG_INVALID",
    `${option} takes a duration such as "500ms", "5s", "1 minute" or "1h30m", not ${JSON.stringify(value)}.`,
  );
}

/** The shortest exact text of a duration, in the largest units that divide it. */
export function formatDuration(ms: number): string {
  if (ms === 0) return "0s";
  const parts: string[] = [];
  let rest = ms;
  for (const [unit, size] of [
    ["d", 86_400_000],
    ["h", 3_600_000],
    ["m", 60_000],
    ["s", 1_000],
    ["ms", 1],
  ] as const) {
    const whole = unit === "ms" ? rest : Math.floor(rest / size);
    if (whole > 0) parts.push(`${whole}${unit}`);
    rest -= whole * size;
  }
  return parts.join("");
}
