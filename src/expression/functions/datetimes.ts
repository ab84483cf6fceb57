// Dates, times and intervals: arithmetic, truncation, age (date.c, timestamp.c; manual, 9.9).
import { Interval } from "../../core/interval.js";
import { daysFromCivil, Timestamp } from "../../core/timestamp.js";
import type { SqlType } from "../sql-type.js";
import {
  checkedDay,
  civilOf,
  DAY_MICROS,
  dayOf,
  daysInMonth,
  timestampAt,
  timestampOf,
  timestampOutOfRange,
} from "../values/datetime.js";
import { fault } from "../values/fault.js";
import {
  addIntervals,
  infinitySign,
  intervalOf,
  intervalOutOfRange,
  MICROS_PER_DAY,
  negated,
} from "../values/interval.js";
import { roundEven } from "../values/interval-text.js";
import type { Value } from "../values/value.js";
import { type Definition, define, fallible } from "./definition.js";
import { divisionByZero } from "./integers.js";

/** Months first, cut to the month's last day, then days, then time. */
export function addInterval(value: Timestamp, span: Interval): Timestamp {
  if (!span.isFinite) {
    const infinite = infinitySign(span) * Number.POSITIVE_INFINITY;
    if (!value.isFinite && value.epochMs !== infinite) throw timestampOutOfRange();
    return Timestamp.of(infinite);
  }
  if (!value.isFinite) return value;
  let moved = value;
  if (span.months !== 0) {
    const { year, month, day, micros } = civilOf(value);
    const months = year * 12 + month - 1 + span.months;
    const toYear = Math.floor(months / 12);
    const toMonth = months - toYear * 12 + 1;
    const toDay = Math.min(day, daysInMonth(toYear, toMonth));
    moved = timestampAt(daysFromCivil(toYear, toMonth, toDay), micros);
  }
  if (span.days !== 0) {
    moved = timestampOf(moved.epochMicros + BigInt(span.days) * MICROS_PER_DAY);
  }
  return span.micros === 0n ? moved : timestampOf(moved.epochMicros + span.micros);
}

function subtractTimestamps(a: Timestamp, b: Timestamp): Interval {
  if (!a.isFinite || !b.isFinite) {
    const sign = a.isFinite ? -b.epochMs : a.epochMs;
    if (!a.isFinite && a.epochMs === b.epochMs) throw intervalOutOfRange();
    return sign > 0 ? Interval.infinity : Interval.negativeInfinity;
  }
  const micros = a.epochMicros - b.epochMicros;
  if (BigInt.asIntN(64, micros) !== micros) throw intervalOutOfRange();
  return intervalOf(0, Number(micros / MICROS_PER_DAY), micros % MICROS_PER_DAY);
}

/** The difference in calendar years, months and days (timestamp_age). */
function age(a: Timestamp, b: Timestamp): Interval {
  if (!a.isFinite || !b.isFinite) return subtractTimestamps(a, b);
  const isNegative = a.compare(b) < 0;
  const [later, earlier] = isNegative ? [civilOf(b), civilOf(a)] : [civilOf(a), civilOf(b)];
  let micros = later.micros - earlier.micros;
  let days = later.day - earlier.day;
  let months = (later.year - earlier.year) * 12 + later.month - earlier.month;
  if (micros < 0) {
    micros += DAY_MICROS;
    days--;
  }
  // The month that is borrowed from is the second argument's, or the first one's if that is later.
  const borrowed = isNegative ? civilOf(a) : civilOf(b);
  while (days < 0) {
    days += daysInMonth(borrowed.year, borrowed.month);
    months--;
  }
  const span = intervalOf(months, days, BigInt(micros));
  return isNegative ? negated(span) : span;
}

const SECONDS_PER_DAY = 86_400;
const roundMicros = (value: number): number => roundEven(value * 1e6) / 1e6;

/** Interval times or divided by a factor: what a field leaves over spills into the next. */
function scaled(span: Interval, scale: (field: number) => number): Interval {
  const monthsExact = scale(span.months);
  const daysExact = scale(span.days);
  if (Number.isNaN(monthsExact) || Math.abs(monthsExact) > 2 ** 31) throw intervalOutOfRange();
  if (Number.isNaN(daysExact) || Math.abs(daysExact) > 2 ** 31) throw intervalOutOfRange();
  const months = Math.trunc(monthsExact);
  let days = Math.trunc(daysExact);
  const monthRest = roundMicros((monthsExact - months) * 30);
  const restDays = daysExact - days + monthRest - Math.trunc(monthRest);
  let seconds = roundMicros(restDays * SECONDS_PER_DAY);
  if (Math.abs(seconds) >= SECONDS_PER_DAY) {
    const more = Math.trunc(seconds / SECONDS_PER_DAY);
    days += more;
    seconds -= more * SECONDS_PER_DAY;
  }
  days += Math.trunc(monthRest);
  const micros = roundEven(scale(Number(span.micros)) + seconds * 1e6);
  if (!(Math.abs(micros) < 2 ** 63)) throw intervalOutOfRange();
  return intervalOf(months, days, BigInt(micros));
}

function multiply(span: Interval, factor: number): Interval {
  if (Number.isNaN(factor)) throw intervalOutOfRange();
  if (span.isFinite && Number.isFinite(factor)) return scaled(span, (field) => field * factor);
  const sign = span.isFinite ? span.compare(intervalOf(0, 0, 0n)) : infinitySign(span);
  const product = Math.sign(sign) * Math.sign(factor);
  if (product === 0) throw intervalOutOfRange();
  return product > 0 ? Interval.infinity : Interval.negativeInfinity;
}

function divide(span: Interval, factor: number): Interval {
  if (factor === 0) throw divisionByZero();
  if (Number.isNaN(factor)) throw intervalOutOfRange();
  if (span.isFinite) return scaled(span, (field) => field / factor);
  if (!Number.isFinite(factor)) throw intervalOutOfRange();
  return factor < 0 ? negated(span) : span;
}

function addDays(days: number, count: number): number {
  return Number.isFinite(days) ? checkedDay(days + count) : days;
}

function subtractDates(a: number, b: number): number {
  if (Number.isFinite(a) && Number.isFinite(b)) return a - b;
  throw fault("datetime_field_overflow", "Infinite dates have no difference.");
}

function addTime(micros: number, span: Interval): number {
  if (!span.isFinite) {
    throw fault("datetime_field_overflow", "An infinite interval cannot be added to a time.");
  }
  const sum = Number((BigInt(micros) + span.micros) % MICROS_PER_DAY);
  return sum < 0 ? sum + DAY_MICROS : sum;
}

function justifyHours(span: Interval): Interval {
  if (!span.isFinite) return span;
  let days = span.days + Number(span.micros / MICROS_PER_DAY);
  let micros = span.micros % MICROS_PER_DAY;
  if (days > 0 && micros < 0n) {
    micros += MICROS_PER_DAY;
    days--;
  } else if (days < 0 && micros > 0n) {
    micros -= MICROS_PER_DAY;
    days++;
  }
  return intervalOf(span.months, days, micros);
}

function justifyDays(span: Interval): Interval {
  if (!span.isFinite) return span;
  let months = span.months + Math.trunc(span.days / 30);
  let days = span.days % 30;
  if (months > 0 && days < 0) {
    days += 30;
    months--;
  } else if (months < 0 && days > 0) {
    days -= 30;
    months++;
  }
  return intervalOf(months, days, span.micros);
}

function makeDate(year: number, month: number, day: number): number {
  if (year === 0) throw fault("datetime_field_overflow", "There is no year 0.");
  return dayOf(year < 0 ? year + 1 : year, month, day);
}

function toTimestamp(seconds: number): Timestamp {
  if (Number.isNaN(seconds)) throw timestampOutOfRange();
  if (!Number.isFinite(seconds)) return Timestamp.of(seconds);
  // Counted from 2000, as timestamp.c does: the double's rounding is part of the result.
  const EPOCH_2000 = 946_684_800;
  if (seconds < -210_866_803_200 || seconds >= 9_224_318_016_000) throw timestampOutOfRange();
  const micros = roundEven((seconds - EPOCH_2000) * 1e6);
  return timestampOf(BigInt(micros) + BigInt(EPOCH_2000) * 1_000_000n);
}

const shifts = (type: "timestamp" | "timestamptz"): Definition[] => {
  const isStable = type === "timestamptz";
  const plus = { canFail: true, isStable, run: addInterval };
  const swapped = (span: Interval, value: Timestamp): Timestamp => addInterval(value, span);
  const minus = (value: Timestamp, span: Interval): Timestamp => addInterval(value, negated(span));
  return [
    define(`+(${type},interval)`, type, plus),
    define(`+(interval,${type})`, type, { ...plus, isExchanged: true, run: swapped }),
    define(`-(${type},interval)`, type, { ...plus, run: minus }),
    fallible(`-(${type},${type})`, "interval", subtractTimestamps),
    fallible(`age(${type},${type})`, "interval", age),
    define(`isfinite(${type})`, "bool", (value: Timestamp) => value.isFinite),
  ];
};

/** `b + a`, which PostgreSQL defines as `a + b`. */
// biome-ignore lint/suspicious/noExplicitAny: values of the operator's types
function exchanged(signature: string, result: SqlType, run: (a: any, b: any) => Value): Definition {
  return define(signature, result, { canFail: true, isExchanged: true, run: (b, a) => run(a, b) });
}

const addToDate = (days: number, span: Interval): Timestamp =>
  addInterval(timestampAt(days, 0), span);

const DATES: readonly Definition[] = [
  fallible("+(date,int4)", "date", addDays),
  exchanged("+(int4,date)", "date", addDays),
  fallible("-(date,int4)", "date", (days: number, count: number) => addDays(days, -count)),
  fallible("-(date,date)", "int4", subtractDates),
  fallible("+(date,interval)", "timestamp", addToDate),
  exchanged("+(interval,date)", "timestamp", addToDate),
  fallible("-(date,interval)", "timestamp", (days: number, span: Interval) =>
    addInterval(timestampAt(days, 0), negated(span)),
  ),
  fallible("+(date,time)", "timestamp", timestampAt),
  exchanged("+(time,date)", "timestamp", timestampAt),
  fallible("make_date(int4,int4,int4)", "date", makeDate),
  define("isfinite(date)", "bool", (days: number) => Number.isFinite(days)),
  define("date(timestamp)", "date", { canFail: true, run: dateOf }),
  define("date(timestamptz)", "date", { canFail: true, isStable: true, run: dateOf }),
];

function dateOf(value: Timestamp): number {
  return value.isFinite ? checkedDay(Math.floor(value.epochMs / 86_400_000)) : value.epochMs;
}

const TIMES: readonly Definition[] = [
  fallible("+(time,interval)", "time", addTime),
  exchanged("+(interval,time)", "time", addTime),
  fallible("-(time,interval)", "time", (micros: number, span: Interval) =>
    addTime(micros, negated(span)),
  ),
  define("-(time,time)", "interval", (a: number, b: number) => intervalOf(0, 0, BigInt(a - b))),
];

const INTERVALS: readonly Definition[] = [
  fallible("-(interval)", "interval", negated),
  fallible("+(interval,interval)", "interval", addIntervals),
  fallible("-(interval,interval)", "interval", (a: Interval, b: Interval) =>
    addIntervals(a, negated(b)),
  ),
  fallible("*(interval,float8)", "interval", multiply),
  fallible("*(float8,interval)", "interval", (factor: number, span: Interval) =>
    multiply(span, factor),
  ),
  fallible("/(interval,float8)", "interval", divide),
  fallible("justify_hours(interval)", "interval", justifyHours),
  fallible("justify_days(interval)", "interval", justifyDays),
  define("isfinite(interval)", "bool", (span: Interval) => span.isFinite),
  fallible("to_timestamp(float8)", "timestamptz", toTimestamp),
];

export const DATETIME_FUNCTIONS: readonly Definition[] = [
  ...shifts("timestamp"),
  ...shifts("timestamptz"),
  ...DATES,
  ...TIMES,
  ...INTERVALS,
];
