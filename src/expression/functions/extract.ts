// extract() and date_part() (timestamp.c and date.c: …_part_common; manual, 9.9.1).
import type { Interval } from "../../core/interval.js";
import { Numeric } from "../../core/numeric.js";
import { daysFromCivil, type Timestamp } from "../../core/timestamp.js";
import { type Civil, civilOf, timestampAt } from "../values/datetime.js";
import { fault } from "../values/fault.js";
import { numericToDouble } from "./casts.js";
import { type CallSite, type Definition, prepared } from "./definition.js";
import { divideNumerics, roundTo } from "./numerics.js";
import { type TimeUnit, timeUnit } from "./time-units.js";

type Part<T> = (unit: TimeUnit, value: T) => Numeric | null;

const EPOCH_JULIAN = 2_440_588;
const whole = (value: number | bigint): Numeric => Numeric.of(value);

/** What infinite times have: an endless year, but no hour. */
const ENDLESS: readonly TimeUnit[] = [
  ...(["year", "decade", "century", "millennium"] as const),
  ...(["isoyear", "julian", "epoch"] as const),
];

function partOfInfinity(unit: TimeUnit, sign: number): Numeric | null {
  if (!ENDLESS.includes(unit)) return null;
  return sign > 0 ? Numeric.Infinity : Numeric.NegativeInfinity;
}

/** Units that a time of day has. */
function partOfClock(unit: TimeUnit, micros: bigint): Numeric | null {
  const seconds = micros / 1_000_000n;
  const inMinute = micros % 60_000_000n;
  switch (unit) {
    case "microseconds":
      return whole(inMinute);
    case "milliseconds":
      return Numeric.of(inMinute, 3);
    case "second":
      return Numeric.of(inMinute, 6);
    case "minute":
      return whole((seconds / 60n) % 60n);
    case "hour":
      return whole(seconds / 3600n);
    default:
      return null;
  }
}

/** Units that a day has. Years before 1 AD are counted without a year 0. */
function partOfDay(unit: TimeUnit, { year, month, day, days }: Civil): Numeric | null {
  switch (unit) {
    case "day":
      return whole(day);
    case "month":
      return whole(month);
    case "quarter":
      return whole(Math.floor((month - 1) / 3) + 1);
    case "week":
      return whole(isoWeek(days).week);
    case "year":
      return whole(year > 0 ? year : year - 1);
    case "decade":
      return whole(year >= 0 ? Math.floor(year / 10) : -Math.floor((8 - (year - 1)) / 10));
    case "century":
      return whole(year > 0 ? Math.floor((year + 99) / 100) : -Math.floor((100 - year) / 100));
    case "millennium":
      return whole(year > 0 ? Math.floor((year + 999) / 1000) : -Math.floor((1000 - year) / 1000));
    case "isoyear": {
      const isoYear = isoWeek(days).year;
      return whole(isoYear > 0 ? isoYear : isoYear - 1);
    }
    case "dow":
      return whole(isoWeekday(days) % 7);
    case "isodow":
      return whole(isoWeekday(days));
    case "doy":
      return whole(days - daysFromCivil(year, 1, 1) + 1);
    default:
      return null;
  }
}

/** 1 for Monday up to 7. */
export function isoWeekday(days: number): number {
  return ((((days + 3) % 7) + 7) % 7) + 1;
}

/** The ISO week belongs to the year that its Thursday lies in. */
function isoWeek(days: number): { year: number; week: number } {
  const thursday = days - isoWeekday(days) + 4;
  const { year } = civilOf(timestampLike(thursday));
  return { year, week: Math.floor((thursday - daysFromCivil(year, 1, 1)) / 7) + 1 };
}

/** Dates reach further than timestamps; only the calendar is wanted here. */
function timestampLike(days: number): Timestamp {
  return { epochMs: days * 86_400_000, micros: 0 } as Timestamp;
}

/** From here on PostgreSQL divides as numeric does, to sixteen digits or a few more. */
const FIRST_DIVIDED_MICROS = 2n ** 63n - 1n;

function epochSeconds(micros: bigint): Numeric {
  if (micros < FIRST_DIVIDED_MICROS) return Numeric.of(micros, 6);
  return roundTo(divideNumerics(whole(micros), whole(1_000_000)), 6);
}

function partOfTimestamp(isZoned: boolean): Part<Timestamp> {
  return (unit, value) => {
    if (unit.startsWith("timezone")) {
      if (!isZoned) throw unsupported(unit, "timestamp without time zone");
      return value.isFinite ? whole(0) : null;
    }
    if (!value.isFinite) return partOfInfinity(unit, value.epochMs);
    const civil = civilOf(value);
    if (unit === "epoch") return epochSeconds(value.epochMicros);
    if (unit === "julian") {
      const fraction = divideNumerics(whole(civil.micros), whole(86_400_000_000n));
      return whole(civil.days + EPOCH_JULIAN).add(fraction);
    }
    return partOfClock(unit, BigInt(civil.micros)) ?? partOfDay(unit, civil);
  };
}

const partOfDate: Part<number> = (unit, days) => {
  if (partOfClock(unit, 0n) !== null || unit.startsWith("timezone")) {
    throw unsupported(unit, "date");
  }
  if (!Number.isFinite(days)) return partOfInfinity(unit, days);
  if (unit === "epoch") return whole(days * 86_400);
  if (unit === "julian") return whole(days + EPOCH_JULIAN);
  return partOfDay(unit, civilOf(timestampLike(days)));
};

const partOfTime: Part<number> = (unit, micros) => {
  if (unit === "epoch") return Numeric.of(micros, 6);
  const part = partOfClock(unit, BigInt(micros));
  if (part === null) throw unsupported(unit, "time without time zone");
  return part;
};

const partOfInterval: Part<Interval> = (unit, value) => {
  const { months, days, micros } = value;
  const isKnown = partOfClock(unit, 0n) !== null || unit in INTERVAL_PARTS || unit === "epoch";
  if (!isKnown) throw unsupported(unit, "interval");
  if (!value.isFinite) {
    const isEndless = ["hour", "day", "week", ...ENDLESS].includes(unit) && unit !== "julian";
    if (!isEndless) return null;
    return months > 0 ? Numeric.Infinity : Numeric.NegativeInfinity;
  }
  if (unit === "epoch") {
    // A year has 365.25 days here, a month outside a whole year 30.
    const years = BigInt(Math.trunc(months / 12));
    const rest = BigInt(months % 12) * 30n + BigInt(days);
    const seconds = (years * 1461n * 86_400n) / 4n + rest * 86_400n;
    return Numeric.of(seconds * 1_000_000n + micros, 6);
  }
  return partOfClock(unit, micros) ?? whole((INTERVAL_PARTS[unit]?.(months, days) ?? 0) + 0);
};

const INTERVAL_PARTS: Readonly<Record<string, (months: number, days: number) => number>> = {
  day: (_, days) => days,
  week: (_, days) => Math.trunc(days / 7),
  month: (months) => months % 12,
  quarter: (months) =>
    months >= 0 ? Math.trunc((months % 12) / 3) + 1 : -(Math.trunc((-months % 12) / 3) + 1),
  year: (months) => Math.trunc(months / 12),
  decade: (months) => Math.trunc(months / 120),
  century: (months) => Math.trunc(months / 1200),
  millennium: (months) => Math.trunc(months / 12_000),
};

/** The unit has to be a constant: one that the type does not have is found when it is compiled. */
function unitOf(site: CallSite): TimeUnit {
  const name = site.constants[0];
  const unit = typeof name === "string" ? timeUnit(name) : null;
  if (unit !== null) return unit;
  throw fault("invalid_parameter_value", "That is no unit of time.");
}

function unsupported(unit: TimeUnit, type: string): Error {
  return fault("feature_not_supported", `The unit ${unit} does not exist for ${type}.`);
}

/** date_part() computes some units in doubles, whose rounding is part of the result. */
function doubleOfClock(unit: TimeUnit, micros: number): number | null {
  const [seconds, rest] = [Math.trunc(micros / 1e6), micros % 1e6];
  switch (unit) {
    case "milliseconds":
      return seconds * 1000 + rest / 1000;
    case "second":
      return seconds + rest / 1e6;
    default:
      return null;
  }
}

const doubleOfTimestamp = (unit: TimeUnit, value: Timestamp): number | null => {
  if (!value.isFinite) return null;
  const { days, micros } = civilOf(value);
  if (unit === "epoch") return Number(value.epochMicros) / 1e6;
  if (unit === "julian") {
    const seconds = Math.floor(micros / 1e6);
    return days + EPOCH_JULIAN + (seconds + (micros % 1e6) / 1e6) / 86_400;
  }
  return doubleOfClock(unit, micros % 60_000_000);
};

const doubleOfTime = (unit: TimeUnit, micros: number): number | null =>
  unit === "epoch" ? micros / 1e6 : doubleOfClock(unit, micros % 60_000_000);

const doubleOfInterval = (unit: TimeUnit, value: Interval): number | null => {
  if (!value.isFinite) return null;
  const { months, days, micros } = value;
  if (unit !== "epoch") return doubleOfClock(unit, Number(micros % 60_000_000n));
  const years = 365.25 * 86_400 * Math.trunc(months / 12);
  return Number(micros) / 1e6 + years + 30 * 86_400 * (months % 12) + 86_400 * days;
};

/** How a type's parts are computed, exactly and where date_part() differs. */
interface PartsOf<T> {
  readonly exact: Part<T>;
  readonly double: (unit: TimeUnit, value: T) => number | null;
}

// biome-ignore lint/suspicious/noExplicitAny: each part takes the values of its own type
function extracts(type: string, parts: PartsOf<any>, isStable = false): Definition[] {
  const { exact: part, double } = parts;
  const options = { canFail: true, isStable, constantParameters: [0] };
  const definitions = [
    prepared(`extract(text,${type})`, "numeric", {
      ...options,
      prepare: (site) => {
        const unit = unitOf(site);
        return (_, value) => part(unit, value);
      },
    }),
  ];
  if (type === "date") return definitions;
  const asDouble = prepared(`date_part(text,${type})`, "float8", {
    ...options,
    prepare: (site) => {
      const unit = unitOf(site);
      return (_, value) => {
        return asDoublePart(part(unit, value), double(unit, value));
      };
    },
  });
  return [...definitions, asDouble];
}

function asDoublePart(exact: Numeric | null, double: number | null): number | null {
  return double ?? (exact === null ? null : numericToDouble(exact));
}

const timestampPart = partOfTimestamp(false);
const timestampParts = { exact: timestampPart, double: doubleOfTimestamp };
const zonedParts = { exact: partOfTimestamp(true), double: doubleOfTimestamp };

export const EXTRACT_FUNCTIONS: readonly Definition[] = [
  ...extracts("timestamp", timestampParts),
  ...extracts("timestamptz", zonedParts, true),
  ...extracts("date", { exact: partOfDate, double: () => null }),
  ...extracts("time", { exact: partOfTime, double: doubleOfTime }),
  ...extracts("interval", { exact: partOfInterval, double: doubleOfInterval }),
  prepared("date_part(text,date)", "float8", {
    ...{ canFail: true, constantParameters: [0] },
    prepare: (site) => {
      const unit = unitOf(site);
      return (_, days: number) => {
        const start = timestampAt(days, 0);
        return asDoublePart(timestampPart(unit, start), doubleOfTimestamp(unit, start));
      };
    },
  }),
];
