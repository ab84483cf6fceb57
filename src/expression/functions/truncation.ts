// date_trunc(), date_bin() and AT TIME ZONE (timestamp.c; manual, 9.9.2 to 9.9.4).
import type { Interval } from "../../core/interval.js";
import { daysFromCivil, Timestamp } from "../../core/timestamp.js";
import { civilOf, timestampAt, timestampOf, timestampOutOfRange } from "../values/datetime.js";
import { fault } from "../values/fault.js";
import { intervalOf, intervalOutOfRange, spanMicros } from "../values/interval.js";
import { isZoneName, toLocalTime, toUtc } from "../values/time-zone.js";
import { type CallSite, type Definition, fallible, prepared } from "./definition.js";
import { isoWeekday } from "./extract.js";
import { type TimeUnit, timeUnit } from "./time-units.js";

/** Units that divide a day evenly, in microseconds. */
const CLOCK_UNITS: Readonly<Partial<Record<TimeUnit, number>>> = {
  microseconds: 1,
  milliseconds: 1000,
  second: 1_000_000,
  minute: 60_000_000,
  hour: 3_600_000_000,
  day: 86_400_000_000,
};

/** First day of the unit that a day lies in. */
function startOf(unit: TimeUnit, value: Timestamp): number {
  const { year, month, days } = civilOf(value);
  switch (unit) {
    case "week":
      return days - isoWeekday(days) + 1;
    case "month":
      return daysFromCivil(year, month, 1);
    case "quarter":
      return daysFromCivil(year, month - ((month - 1) % 3), 1);
    case "year":
      return daysFromCivil(year, 1, 1);
    case "decade":
      return daysFromCivil(Math.floor(year / 10) * 10, 1, 1);
    case "century":
      return daysFromCivil(firstYear(year, 100), 1, 1);
    default:
      return daysFromCivil(firstYear(year, 1000), 1, 1);
  }
}

/** Centuries and millennia begin with year 1, before Christ with year 1 of theirs. */
function firstYear(year: number, length: number): number {
  return Math.floor((year - 1) / length) * length + 1;
}

const LONG_UNITS: readonly TimeUnit[] = [
  ...(["week", "month", "quarter", "year", "decade", "century", "millennium"] as const),
];

function truncation(unit: TimeUnit): (value: Timestamp) => Timestamp {
  const micros = CLOCK_UNITS[unit];
  if (micros === undefined) {
    return (value) => (value.isFinite ? timestampAt(startOf(unit, value), 0) : value);
  }
  if (unit === "microseconds") return (value) => value;
  if (unit === "milliseconds") return toMilliseconds;
  const ms = micros / 1000;
  return (value) => {
    const { epochMs } = value;
    if (!Number.isFinite(epochMs)) return value;
    const start = Math.floor(epochMs / ms) * ms;
    return start >= MIN_MS ? Timestamp.of(start) : tooEarly();
  };
}

/** Past the year 287396 a double holds every second millisecond, and `micros` the one between. */
function toMilliseconds(value: Timestamp): Timestamp {
  const { epochMs, micros } = value;
  return Number.isFinite(epochMs) ? Timestamp.of(epochMs, micros - (micros % 1000)) : value;
}

const MIN_MS = -210_866_803_200_000;

function tooEarly(): never {
  throw timestampOutOfRange();
}

/** The unit of a call, which has to be a constant. */
function unitOf(site: CallSite): TimeUnit {
  const name = site.constants[0];
  const unit = typeof name === "string" ? timeUnit(name) : null;
  if (unit === null) throw fault("invalid_parameter_value", "That is no unit of time.");
  if (unit in CLOCK_UNITS || LONG_UNITS.includes(unit)) return unit;
  throw fault("feature_not_supported", `Nothing can be truncated to the unit ${unit}.`);
}

const INTERVAL_MONTHS: Readonly<Partial<Record<TimeUnit, number>>> = {
  month: 1,
  quarter: 3,
  year: 12,
  decade: 120,
  century: 1200,
  millennium: 12_000,
};

function truncateInterval(unit: TimeUnit): (span: Interval) => Interval {
  if (unit === "week") {
    throw fault("feature_not_supported", "An interval has no weeks: months hold parts of them.");
  }
  const months = INTERVAL_MONTHS[unit];
  return (span) => {
    if (!span.isFinite) return span;
    if (months !== undefined) {
      return intervalOf(Math.trunc(span.months / months) * months, 0, 0n);
    }
    if (unit === "day") return intervalOf(span.months, span.days, 0n);
    const micros = BigInt(CLOCK_UNITS[unit] ?? 1);
    return intervalOf(span.months, span.days, (span.micros / micros) * micros);
  };
}

/** timestamp_bin: the start of the stride that a time lies in, counted from an origin. */
function bin(stride: Interval, value: Timestamp, origin: Timestamp): Timestamp {
  if (!value.isFinite) return value;
  if (!origin.isFinite) {
    throw fault("datetime_field_overflow", "date_bin() takes a finite origin.");
  }
  if (!stride.isFinite) {
    throw fault("datetime_field_overflow", "date_bin() takes a finite stride.");
  }
  if (stride.months !== 0) {
    throw fault("feature_not_supported", "date_bin() takes no stride of months or years.");
  }
  const micros = spanMicros(stride);
  if (BigInt.asIntN(64, micros) !== micros) throw intervalOutOfRange();
  if (micros <= 0n) throw fault("datetime_field_overflow", "date_bin() takes a stride above zero.");
  const difference = value.epochMicros - origin.epochMicros;
  if (BigInt.asIntN(64, difference) !== difference) throw intervalOutOfRange();
  const rest = difference % micros;
  const start = value.epochMicros - rest - (rest < 0n ? micros : 0n);
  return timestampOf(start);
}

/** A zone that is known when the expression is compiled. */
function zoneOf(site: CallSite, parameter: number): string {
  const name = site.constants[parameter];
  if (typeof name === "string" && isZoneName(name)) return name;
  throw fault(
    "invalid_parameter_value",
    "Write a time zone of the IANA database, such as 'Europe/Vienna', or 'UTC'.",
  );
}

const TRUNC = { canFail: true, constantParameters: [0] };
const ZONED = { canFail: true, constantParameters: [0] };

export const TRUNCATION_FUNCTIONS: readonly Definition[] = [
  prepared("date_trunc(text,timestamp)", "timestamp", {
    ...TRUNC,
    prepare: (site) => {
      const truncate = truncation(unitOf(site));
      return (_, value: Timestamp) => truncate(value);
    },
  }),
  prepared("date_trunc(text,timestamptz)", "timestamptz", {
    ...TRUNC,
    isStable: true,
    prepare: (site) => {
      const truncate = truncation(unitOf(site));
      return (_, value: Timestamp) => truncate(value);
    },
  }),
  prepared("date_trunc(text,timestamptz,text)", "timestamptz", {
    ...{ canFail: true, constantParameters: [0, 2] },
    prepare: (site) => {
      const truncate = truncation(unitOf(site));
      const zone = zoneOf(site, 2);
      return (_, value: Timestamp) =>
        value.isFinite ? toUtc(zone, truncate(toLocalTime(zone, value))) : value;
    },
  }),
  prepared("date_trunc(text,interval)", "interval", {
    ...TRUNC,
    prepare: (site) => {
      const truncate = truncateInterval(unitOf(site));
      return (_, span: Interval) => truncate(span);
    },
  }),
  fallible("date_bin(interval,timestamp,timestamp)", "timestamp", bin),
  fallible("date_bin(interval,timestamptz,timestamptz)", "timestamptz", bin),
  prepared("timezone(text,timestamptz)", "timestamp", {
    ...ZONED,
    prepare: (site) => {
      const zone = zoneOf(site, 0);
      return (_, value: Timestamp) => (value.isFinite ? toLocalTime(zone, value) : value);
    },
  }),
  prepared("timezone(text,timestamp)", "timestamptz", {
    ...ZONED,
    prepare: (site) => {
      const zone = zoneOf(site, 0);
      return (_, value: Timestamp) => (value.isFinite ? toUtc(zone, value) : value);
    },
  }),
];
