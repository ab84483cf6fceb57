// Dates are whole days since 1970-01-01 (±Infinity for the infinite ones), times of day are
// microseconds, timestamps are Timestamp. The session's time zone is UTC and its datestyle ISO.
import { CalendarDate } from "../../core/calendar-date.js";
import { TimeOfDay } from "../../core/time-of-day.js";
import { civilFromDays, daysFromCivil, Timestamp } from "../../core/timestamp.js";
import { fault } from "./fault.js";
import { MICROS_PER_DAY } from "./interval.js";
import { roundEven } from "./interval-text.js";

// timestamp.h: 4714-11-24 BC up to, not including, 294277-01-01, here from 1970.
const MIN_MICROS = -210_866_803_200_000_000n;
const END_MICROS = 9_224_318_016_000_000_000n;
const MIN_DAY = -2_440_588;
const END_DAY = 2_145_042_906;
export const DAY_MICROS = 86_400_000_000;

/** Date and time of day, each as its own number. */
export interface Civil {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  /** Days since 1970-01-01. */
  readonly days: number;
  /** Microseconds since midnight. */
  readonly micros: number;
}

/** A timestamp of so many microseconds since 1970; EXPRESSION_FAILED outside what it can hold. */
export function timestampOf(micros: bigint): Timestamp {
  if (micros < MIN_MICROS || micros >= END_MICROS) throw timestampOutOfRange();
  const unit = micros > BigInt(Number.MAX_SAFE_INTEGER) * 1000n ? 2000n : 1000n;
  const rest = ((micros % unit) + unit) % unit;
  const epochMs = Number(((micros - rest) / unit) * (unit / 1000n));
  return Timestamp.of(epochMs, Number(rest));
}

/** The parts of a finite timestamp, in UTC. */
export function civilOf(value: Timestamp): Civil {
  const days = Math.floor(value.epochMs / 86_400_000);
  const micros = (value.epochMs - days * 86_400_000) * 1000 + value.micros;
  const [year, month, day] = civilFromDays(days);
  return { year, month, day, days, micros };
}

/** The timestamp at a time of a day. */
export function timestampAt(days: number, micros: number): Timestamp {
  if (!Number.isFinite(days)) return Timestamp.of(days);
  return timestampOf(BigInt(days) * MICROS_PER_DAY + BigInt(micros));
}

/** The day, or EXPRESSION_FAILED when the calendar has none. */
export function dayOf(year: number, month: number, day: number): number {
  const isDay = month >= 1 && month <= 12 && day >= 1 && day <= daysInMonth(year, month);
  if (!isDay) throw fault("datetime_field_overflow", "The date has a field that is out of range.");
  return checkedDay(daysFromCivil(year, month, day));
}

/** The same day, if a date can hold it. */
export function checkedDay(days: number): number {
  if (days >= MIN_DAY && days < END_DAY) return days;
  throw fault("datetime_field_overflow", "The date is out of range.");
}

export function daysInMonth(year: number, month: number): number {
  if (month === 2) return isLeapYear(year) ? 29 : 28;
  return [4, 6, 9, 11].includes(month) ? 30 : 31;
}

function isLeapYear(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

export function timestampOutOfRange(): Error {
  return fault("datetime_field_overflow", "The timestamp is out of range.");
}

/** ISO text of a date. */
export function printDate(days: number): string {
  return CalendarDate.ofEpochDays(days).toString();
}

/** Text of a time of day. */
export function printTime(micros: number): string {
  return TimeOfDay.of(micros).toString();
}

const ISO =
  /^\s*(\d{4,7})-(\d\d?)-(\d\d?)(?:(?:\s+|T)(\d\d?):(\d\d)(?::(\d\d)(?:\.(\d*))?)?)?\s*(?:(Z)|([+-])(\d\d?)(?::?(\d\d)(?::?(\d\d))?)?|UTC|GMT)?(\s+(?:BC|AD))?\s*$/i;
const CLOCK = /^\s*(\d\d?):(\d\d)(?::(\d\d)(?:\.(\d*))?)?\s*$/;

interface Moment {
  readonly days: number;
  readonly micros: number;
  /** Seconds east of UTC that were written; 0 when none. */
  readonly offsetSeconds: number;
}

function parseMoment(text: string): Moment {
  const match = ISO.exec(text);
  if (match === null) throw notIso();
  const [, year = "", month = "", day = "", h, m, s = "0", fraction = ""] = match;
  const isBc = match[13]?.trim().toUpperCase() === "BC";
  if (Number(year) === 0) throw overflow();
  const days = dayOfAny(isBc ? 1 - Number(year) : Number(year), Number(month), Number(day));
  const micros = h === undefined ? 0 : clockMicros([h, m ?? "0", s, fraction]);
  const offset = Number(match[10] ?? 0) * 3600 + Number(match[11] ?? 0) * 60;
  const offsetSeconds = offset + Number(match[12] ?? 0);
  if (offsetSeconds > 57_599 || Number(match[11] ?? 0) > 59 || Number(match[12] ?? 0) > 59) {
    throw overflow();
  }
  return { days, micros, offsetSeconds: match[9] === "-" ? -offsetSeconds : offsetSeconds };
}

/** As {@link dayOf}, but leaves the range to the caller: dates reach further than timestamps. */
function dayOfAny(year: number, month: number, day: number): number {
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) throw overflow();
  return daysFromCivil(year, month, day);
}

function clockMicros([h, m, s, fraction]: readonly [string, string, string, string]): number {
  const [hour, minute, second] = [Number(h), Number(m), Number(s)];
  const micros = roundEven(Number(`0.${fraction || "0"}`) * 1e6);
  const total = (hour * 3600 + minute * 60 + second) * 1e6 + micros;
  if (minute > 59 || second > 60 || total > DAY_MICROS) throw overflow();
  return total;
}

/** Reads ISO text of a timestamp. With `isZoned` a written offset counts, otherwise it does not. */
export function parseTimestamp(text: string, isZoned: boolean): Timestamp {
  const special = specialDay(text);
  if (special !== null) return Timestamp.of(special === 0 ? 0 : special);
  const { days, micros, offsetSeconds } = parseMoment(text);
  const offset = isZoned ? BigInt(offsetSeconds) * 1_000_000n : 0n;
  return timestampOf(BigInt(days) * MICROS_PER_DAY + BigInt(micros) - offset);
}

/** Reads ISO text of a date, or the date of a timestamp's. */
export function parseDate(text: string): number {
  const special = specialDay(text);
  return special ?? checkedDay(parseMoment(text).days);
}

/** Reads `HH:MM[:SS[.fraction]]` as microseconds since midnight. */
export function parseTime(text: string): number {
  const match = CLOCK.exec(text);
  if (match === null) throw notIso();
  const [, h = "", m = "", s = "0", fraction = ""] = match;
  return clockMicros([h, m, s, fraction]);
}

function specialDay(text: string): number | null {
  switch (text.trim().toLowerCase()) {
    case "infinity":
    case "+infinity":
      return Number.POSITIVE_INFINITY;
    case "-infinity":
      return Number.NEGATIVE_INFINITY;
    case "epoch":
      return 0;
    default:
      return null;
  }
}

function overflow(): Error {
  return fault("datetime_field_overflow", "The date or time has a field that is out of range.");
}

function notIso(): Error {
  return fault(
    "invalid_datetime_format",
    "The text is no date or time that Tidemark reads; write ISO forms, 2026-11-23 06:07:14.5+00.",
  );
}
