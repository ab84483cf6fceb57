import { CalendarDate } from "../../../src/core/calendar-date.js";
import type { CellCodec } from "../../../src/core/cell-codec.js";
import { Interval } from "../../../src/core/interval.js";
import { TimeOfDay } from "../../../src/core/time-of-day.js";
import { Timestamp } from "../../../src/core/timestamp.js";
import { INTERVAL_FACTS, timeFacts } from "../clock-times.js";
import { badValue } from "../text.js";
import { DATE_FACTS, timestampFacts } from "../times.js";
import { int32, int64 } from "./fixed-integer.js";

// Days and microseconds count from 2000-01-01; the least and the greatest value are the infinities.
const EPOCH_DAYS = 10_957;
const EPOCH_MS = 946_684_800_000;
const MS_PER_DAY = 86_400_000;
const MIN_INT32 = -2_147_483_648;
const MAX_INT32 = 2_147_483_647;
const DAY_MICROS = 86_400_000_000;

/** Microseconds below the millisecond of the timestamp read last; valid until the next read. */
let restMicros = 0;

function readTimestamp(typeName: string, bytes: Uint8Array, start: number, end: number): number {
  if (end - start !== 8) throw badValue(typeName, start, end);
  const high = int32(bytes, start);
  const low = int32(bytes, start + 4) >>> 0;
  restMicros = 0;
  if (high === MAX_INT32 && low === 0xffffffff) return Number.POSITIVE_INFINITY;
  if (high === MIN_INT32 && low === 0) return Number.NEGATIVE_INFINITY;
  // high * 2^32 + low microseconds without leaving the safe integers: 2^32 = 4294967 * 1000 + 296.
  const small = high * 296 + low;
  const smallMs = Math.floor(small / 1000);
  restMicros = small - smallMs * 1000;
  const ms = high * 4_294_967 + smallMs + EPOCH_MS;
  if (ms <= Number.MAX_SAFE_INTEGER) return ms;
  // Past 2^53 ms (year 287396) doubles hold only even milliseconds; the rest is then larger.
  const exact = BigInt(high) * 4_294_967n + BigInt(smallMs) + BigInt(EPOCH_MS);
  if ((exact & 1n) === 1n) restMicros += 1000;
  return Number(exact - (exact & 1n));
}

/** timestamp and timestamptz. */
export function binaryTimestamp(typeName: string): CellCodec {
  const hasZone = typeName === "timestamp with time zone";
  const decode = (bytes: Uint8Array, start: number, end: number): Timestamp => {
    const ms = readTimestamp(typeName, bytes, start, end);
    return Timestamp.of(ms, restMicros);
  };
  return {
    ...timestampFacts(typeName),
    decode,
    canonicalText(bytes, start, end) {
      const value = decode(bytes, start, end);
      return hasZone ? value.toString() : value.toLocalString();
    },
    readEpochMs: (bytes, start, end) => readTimestamp(typeName, bytes, start, end),
  };
}

function readDate(bytes: Uint8Array, start: number, end: number): CalendarDate {
  if (end - start !== 4) throw badValue("date", start, end);
  const days = int32(bytes, start);
  if (days === MAX_INT32) return CalendarDate.ofEpochDays(Number.POSITIVE_INFINITY);
  if (days === MIN_INT32) return CalendarDate.ofEpochDays(Number.NEGATIVE_INFINITY);
  return CalendarDate.ofEpochDays(days + EPOCH_DAYS);
}

/** date: Int32 days. */
export const binaryDate: CellCodec = {
  ...DATE_FACTS,
  decode: readDate,
  canonicalText: (bytes, start, end) => readDate(bytes, start, end).toString(),
  readEpochMs: (bytes, start, end) => readDate(bytes, start, end).epochDays * MS_PER_DAY,
};

/** time: Int64 microseconds; timetz: and Int32 seconds west of UTC. */
export function binaryTime(typeName: string): CellCodec {
  const hasZone = typeName === "time with time zone";
  const decode = (bytes: Uint8Array, start: number, end: number): TimeOfDay => {
    if (end - start !== (hasZone ? 12 : 8)) throw badValue(typeName, start, end);
    const micros = int32(bytes, start) * 4_294_967_296 + (int32(bytes, start + 4) >>> 0);
    if (micros < 0 || micros > DAY_MICROS) throw badValue(typeName, start, end);
    return TimeOfDay.of(micros, hasZone ? -int32(bytes, start + 8) || 0 : null);
  };
  const canonicalText = (bytes: Uint8Array, start: number, end: number): string => {
    return decode(bytes, start, end).toString();
  };
  return { ...timeFacts(typeName), decode, canonicalText };
}

/** interval: Int64 microseconds, Int32 days, Int32 months. */
export const binaryInterval: CellCodec = {
  ...INTERVAL_FACTS,
  decode(bytes, start, end) {
    if (end - start !== 16) throw badValue("interval", start, end);
    const micros = int64(bytes, start);
    const days = int32(bytes, start + 8);
    const months = int32(bytes, start + 12);
    for (const infinite of [Interval.infinity, Interval.negativeInfinity]) {
      const isSame = micros === infinite.micros && days === infinite.days;
      if (isSame && months === infinite.months) return infinite;
    }
    return Interval.of({ months, days, micros });
  },
};
