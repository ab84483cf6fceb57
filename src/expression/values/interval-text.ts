// Reads intervals as they are usually written: `1 day`, `1 year 2 mons -3 days +04:05:06.7`,
// `90 min`, `1.5 hours ago`. How fractions spill into smaller units follows datetime.c
// (DecodeInterval, AdjustFract...). ISO 8601 durations and SQL-standard `1-2` are refused.
import { Interval } from "../../core/interval.js";
import { fault } from "./fault.js";
import { intervalOf, intervalOutOfRange, MICROS_PER_DAY, negated } from "./interval.js";

type Field = "micros" | "days" | "months";

/** Unit → field it counts in and how many of it. */
const UNITS: Readonly<Record<string, readonly [Field, number]>> = Object.fromEntries(
  (
    [
      [["microsecond", "us", "usec", "usecs", "microsecon"], "micros", 1],
      [["millisecond", "ms", "msec", "msecs"], "micros", 1000],
      [["second", "s", "sec", "secs"], "micros", 1_000_000],
      [["minute", "m", "min", "mins"], "micros", 60_000_000],
      [["hour", "h", "hr", "hrs"], "micros", 3_600_000_000],
      [["day", "d"], "days", 1],
      [["week", "w"], "days", 7],
      [["month", "mon", "mons"], "months", 1],
      [["year", "y", "yr", "yrs"], "months", 12],
      [["decade", "dec", "decs"], "months", 120],
      [["century", "c", "cent", "centuries"], "months", 1200],
      [["millennium", "mil", "mils", "millennia"], "months", 12_000],
    ] as const
  ).flatMap(([names, field, factor]) =>
    names.flatMap((name) => [
      [name, [field, factor] as const],
      [`${name}s`, [field, factor] as const],
    ]),
  ),
);

const PART =
  /\s*(?:([+-]?)(\d+):(\d\d?)(?::(\d\d?)(?:\.(\d*))?)?(?![:\d])|([+-]?)(\d+(?:\.\d*)?|\.\d+)\s*([a-z]+)|(ago))/iy;

/** The interval that a text means. Throws EXPRESSION_FAILED for any other text. */
export function parseInterval(text: string): Interval {
  const trimmed = text.trim();
  const infinite = /^([+-]?)infinity$/i.exec(trimmed);
  if (infinite !== null) return infinite[1] === "-" ? Interval.negativeInfinity : Interval.infinity;
  let total = { months: 0, days: 0, micros: 0n };
  let isAgo = false;
  const seen = new Set<string>();
  PART.lastIndex = 0;
  for (let at = 0; at < trimmed.length; at = PART.lastIndex) {
    const match = PART.exec(trimmed);
    if (match === null || isAgo) throw malformed();
    if (match[9] !== undefined) isAgo = true;
    else if (match[2] !== undefined) total = addClock(total, match, seen);
    else total = addUnit(total, match, seen);
  }
  if (seen.size === 0) throw malformed();
  const interval = intervalOf(total.months, total.days, total.micros);
  return isAgo ? negated(interval) : interval;
}

interface Fields {
  readonly months: number;
  readonly days: number;
  readonly micros: bigint;
}

function addClock(total: Fields, match: RegExpExecArray, seen: Set<string>): Fields {
  const [, sign, hours = "", minutes = "", seconds = "0", fraction = ""] = match;
  if (seen.has("clock") || Number(minutes) > 59 || Number(seconds) > 60) throw malformed();
  seen.add("clock");
  const whole = BigInt(hours) * 3600n + BigInt(minutes) * 60n + BigInt(seconds);
  const micros = whole * 1_000_000n + BigInt(roundEven(Number(`0.${fraction || "0"}`) * 1e6));
  return { ...total, micros: total.micros + (sign === "-" ? -micros : micros) };
}

function addUnit(total: Fields, match: RegExpExecArray, seen: Set<string>): Fields {
  const [, , , , , , sign, digits = "", unit = ""] = match;
  const known = Object.hasOwn(UNITS, unit.toLowerCase()) ? UNITS[unit.toLowerCase()] : undefined;
  if (known === undefined) throw malformed();
  const [field, factor] = known;
  // A unit may be named once; what a unit is called does not matter.
  if (seen.has(`${field} ${factor}`)) throw malformed();
  seen.add(`${field} ${factor}`);
  const [wholeText = "", fractionText] = digits.split(".");
  const minus = sign === "-" ? -1 : 1;
  const whole = BigInt(wholeText || "0");
  const fraction = fractionText === undefined ? 0 : minus * Number(`0.${fractionText || "0"}`);
  if (whole > 2n ** 63n - 1n) throw intervalOutOfRange();
  const signed = whole * BigInt(minus);
  if (field === "micros") {
    const micros = signed * BigInt(factor) + fractionMicros(fraction, factor);
    return { ...total, micros: total.micros + micros };
  }
  if (field === "days") {
    return addDays({ ...total, days: total.days + Number(signed) * factor }, fraction * factor);
  }
  const months = total.months + Number(signed) * factor;
  if (factor === 1) return addDays({ ...total, months }, fraction * 30);
  return { ...total, months: months + roundEven(fraction * factor) };
}

/** Whole days, and what is left of one as time. */
function addDays(total: Fields, days: number): Fields {
  const whole = Math.trunc(days);
  return {
    ...total,
    days: total.days + whole,
    micros: total.micros + fractionMicros(days - whole, Number(MICROS_PER_DAY)),
  };
}

function fractionMicros(fraction: number, scale: number): bigint {
  const scaled = fraction * scale;
  const whole = Math.trunc(scaled);
  const rest = scaled - whole;
  return BigInt(whole + (rest > 0.5 ? 1 : rest < -0.5 ? -1 : 0));
}

/** The nearest whole number, halves to the even one, as C's rint. */
export function roundEven(value: number): number {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return Math.round(value);
  return floor % 2 === 0 ? floor : floor + 1;
}

function malformed(): Error {
  return fault(
    "invalid_datetime_format",
    "The text is no interval that Tidemark reads; write units, as in '1 day 02:30:00' or '90 min'.",
  );
}
