// Intervals whose parts stay within what PostgreSQL stores: what goes past it is an error.
import { Interval } from "../../core/interval.js";
import { fault } from "./fault.js";

export const MICROS_PER_DAY = 86_400_000_000n;
const MAX_INT4 = 2_147_483_647;

/** An interval of these parts. Throws EXPRESSION_FAILED when one is past what it holds. */
export function intervalOf(months: number, days: number, micros: bigint): Interval {
  const fits =
    Math.abs(months) <= MAX_INT4 &&
    Math.abs(days) <= MAX_INT4 &&
    BigInt.asIntN(64, micros) === micros;
  if (!fits) throw intervalOutOfRange();
  return Interval.of({ months: months + 0, days: days + 0, micros }); // + 0: -0 becomes 0
}

/** 1 and -1 for the infinite intervals, 0 for all others. */
export function infinitySign(span: Interval): number {
  return span.isFinite ? 0 : Math.sign(span.months);
}

/** Infinities of opposite signs have no sum. */
export function addIntervals(a: Interval, b: Interval): Interval {
  if (a.isFinite && b.isFinite) {
    return intervalOf(a.months + b.months, a.days + b.days, a.micros + b.micros);
  }
  if (infinitySign(a) * infinitySign(b) < 0) throw intervalOutOfRange();
  return a.isFinite ? b : a;
}

/** The same length back in time. */
export function negated(span: Interval): Interval {
  if (!span.isFinite) return span.negate();
  return intervalOf(-span.months, -span.days, -span.micros);
}

/** All of a finite interval in microseconds; a month counts 30 days, a day 24 hours. */
export function spanMicros({ months, days, micros }: Interval): bigint {
  return BigInt(months * 30 + days) * MICROS_PER_DAY + micros;
}

export function intervalOutOfRange(): Error {
  return fault("datetime_field_overflow", "The interval is out of range.");
}
