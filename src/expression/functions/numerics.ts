// Arithmetic of numeric, to the last digit and its scale (numeric.c; manual, 8.1.2 and 9.3).
import { Numeric, powerOfTen } from "../../core/numeric.js";
import { divide } from "../../core/numeric-division.js";
import { fault } from "../values/fault.js";
import { outOfRange } from "../values/numbers-text.js";
import { type Definition, define, fallible } from "./definition.js";
import { divisionByZero } from "./integers.js";

const MAX_WHOLE_DIGITS = 131_072;
const MAX_SCALE = 16_383;
/** Scales that round() and trunc() go up to (NUMERIC_MAX_RESULT_SCALE). */
const MAX_RESULT_SCALE = 2000;

/** The same value, if a numeric can hold it. */
function checked(value: Numeric): Numeric {
  const { scale } = value;
  // Most have few digits; counting them is not free.
  if ((value.isSmall && scale <= MAX_SCALE) || !value.isFinite) return value;
  const { unscaled } = value;
  if (scale > MAX_SCALE) return checked(roundTo(value, MAX_SCALE));
  const digits = (unscaled < 0n ? -unscaled : unscaled).toString().length;
  if (digits - scale > MAX_WHOLE_DIGITS) throw outOfRange();
  return value;
}

/** Rounds half away from zero; a negative scale rounds before the point. */
export function roundTo(value: Numeric, places: number): Numeric {
  if (!value.isFinite) return value;
  const scale = clampScale(places);
  const shift = value.scale - scale;
  if (shift <= 0) return Numeric.of(value.unscaled * powerOfTen(-shift), scale);
  const unit = powerOfTen(shift);
  const { unscaled } = value;
  const magnitude = unscaled < 0n ? -unscaled : unscaled;
  const rounded = (magnitude + unit / 2n) / unit;
  return atScale(unscaled < 0n ? -rounded : rounded, scale);
}

function truncateTo(value: Numeric, places: number): Numeric {
  if (!value.isFinite) return value;
  const scale = clampScale(places);
  const shift = value.scale - scale;
  if (shift <= 0) return Numeric.of(value.unscaled * powerOfTen(-shift), scale);
  return atScale(value.unscaled / powerOfTen(shift), scale);
}

function atScale(unscaled: bigint, scale: number): Numeric {
  return scale >= 0 ? Numeric.of(unscaled, scale) : Numeric.of(unscaled * powerOfTen(-scale), 0);
}

function clampScale(places: number): number {
  return Math.max(-MAX_WHOLE_DIGITS, Math.min(MAX_RESULT_SCALE, places));
}

function floor(value: Numeric): Numeric {
  const whole = truncateTo(value, 0);
  return value.sign < 0 && !whole.equals(value) ? whole.subtract(Numeric.of(1)) : whole;
}

function ceiling(value: Numeric): Numeric {
  const whole = truncateTo(value, 0);
  return value.sign > 0 && !whole.equals(value) ? whole.add(Numeric.of(1)) : whole;
}

export function divideNumerics(a: Numeric, b: Numeric): Numeric {
  if (a.isNaN || b.isNaN) return Numeric.NaN;
  if (b.isFinite && b.sign === 0) throw divisionByZero();
  if (!b.isFinite) return a.isFinite ? Numeric.of(0) : Numeric.NaN;
  return checked(divide(a, b));
}

function modulo(a: Numeric, b: Numeric): Numeric {
  if (a.isNaN || b.isNaN) return Numeric.NaN;
  if (b.isFinite && b.sign === 0) throw divisionByZero();
  if (!a.isFinite) return Numeric.NaN;
  if (!b.isFinite) return a;
  const scale = Math.max(a.scale, b.scale);
  const at = (value: Numeric): bigint => value.unscaled * powerOfTen(scale - value.scale);
  return Numeric.of(at(a) % at(b), scale);
}

function wholeQuotient(a: Numeric, b: Numeric): Numeric {
  if (a.isNaN || b.isNaN) return Numeric.NaN;
  if (b.isFinite && b.sign === 0) throw divisionByZero();
  if (!b.isFinite) return a.isFinite ? Numeric.of(0) : Numeric.NaN;
  if (!a.isFinite) return b.sign < 0 ? a.negate() : a;
  const scale = Math.max(a.scale, b.scale);
  const at = (value: Numeric): bigint => value.unscaled * powerOfTen(scale - value.scale);
  return Numeric.of(at(a) / at(b));
}

function absolute(value: Numeric): Numeric {
  return value.sign < 0 ? value.negate() : value;
}

function trimScale(value: Numeric): Numeric {
  return value.isFinite ? truncateTo(value, minScale(value) ?? 0) : value;
}

function minScale(value: Numeric): number | null {
  if (!value.isFinite) return null;
  if (value.unscaled === 0n) return 0;
  const zeros = /0*$/.exec(value.unscaled.toString())?.[0].length ?? 0;
  return Math.max(0, value.scale - zeros);
}

/** numeric.c, numeric_sqrt: at least 16 significant digits, and the argument's scale. */
function squareRoot(value: Numeric): Numeric {
  if (value.isNaN) return value;
  if (value.sign < 0) {
    throw fault("invalid_argument_for_power", "The square root of a negative number is not real.");
  }
  if (!value.isFinite) return value;
  const digits = value.unscaled === 0n ? 0 : value.unscaled.toString().length - value.scale;
  // The weight of the first base-10000 digit, as numeric.c counts it.
  const weight = value.unscaled === 0n ? 0 : Math.floor((digits - 1) / 4);
  const scale = Math.min(1000, Math.max(16 - (2 * (weight + 1) - 1), value.scale, 0));
  const shift = 2 * (scale + 1) - value.scale;
  const scaled =
    shift >= 0 ? value.unscaled * powerOfTen(shift) : value.unscaled / powerOfTen(-shift);
  return roundTo(Numeric.of(integerRoot(scaled), scale + 1), scale);
}

/** The greatest integer whose square is not greater, by Newton's method. */
function integerRoot(value: bigint): bigint {
  if (value < 2n) return value;
  let root = 1n << BigInt((value.toString(2).length + 1) >> 1);
  for (;;) {
    const next = (root + value / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}

/** numeric.c, width_bucket_numeric: 0 below the range, `count` + 1 above it. */
function widthBucket(operand: Numeric, low: Numeric, high: Numeric, count: number): number {
  const bad = (sentence: string): Error => fault("invalid_argument_for_width_bucket", sentence);
  if (count <= 0) throw bad("width_bucket() takes a count greater than zero.");
  if (operand.isNaN || low.isNaN || high.isNaN) throw bad("width_bucket() takes no NaN.");
  if (!low.isFinite || !high.isFinite) throw bad("width_bucket() takes finite bounds.");
  const order = low.compare(high);
  if (order === 0) throw bad("width_bucket() takes a lower bound that differs from the upper.");
  const isRising = order < 0;
  const [from, to] = isRising ? [low, high] : [high, low];
  const isBelow = isRising ? operand.lessThan(low) : operand.greaterThan(low);
  const isAbove = isRising ? !operand.lessThan(to) : !operand.greaterThan(from);
  if (isBelow) return 0;
  if (isAbove) {
    if (count === 2_147_483_647) throw outOfRange();
    return count + 1;
  }
  const scale = Math.max(operand.scale, low.scale, high.scale);
  const at = (value: Numeric): bigint => value.unscaled * powerOfTen(scale - value.scale);
  const offset = at(operand) - at(low);
  const range = at(high) - at(low);
  return Number((offset * BigInt(count)) / range) + 1;
}

export const NUMERIC_FUNCTIONS: readonly Definition[] = [
  fallible("+(numeric,numeric)", "numeric", (a: Numeric, b: Numeric) => checked(a.add(b))),
  fallible("-(numeric,numeric)", "numeric", (a: Numeric, b: Numeric) => checked(a.subtract(b))),
  fallible("*(numeric,numeric)", "numeric", (a: Numeric, b: Numeric) => checked(a.multiply(b))),
  fallible("/(numeric,numeric)", "numeric", divideNumerics),
  fallible("%(numeric,numeric)", "numeric", modulo),
  fallible("mod(numeric,numeric)", "numeric", modulo),
  fallible("div(numeric,numeric)", "numeric", wholeQuotient),
  define("-(numeric)", "numeric", (a: Numeric) => a.negate()),
  define("+(numeric)", "numeric", (a: Numeric) => a),
  define("@(numeric)", "numeric", absolute),
  define("abs(numeric)", "numeric", absolute),
  define("sign(numeric)", "numeric", (a: Numeric) => (a.isNaN ? a : Numeric.of(a.sign))),
  fallible("round(numeric)", "numeric", (a: Numeric) => checked(roundTo(a, 0))),
  fallible("round(numeric,int4)", "numeric", (a: Numeric, n: number) => checked(roundTo(a, n))),
  define("trunc(numeric)", "numeric", (a: Numeric) => truncateTo(a, 0)),
  define("trunc(numeric,int4)", "numeric", truncateTo),
  define("floor(numeric)", "numeric", floor),
  fallible("ceil(numeric)", "numeric", (a: Numeric) => checked(ceiling(a))),
  fallible("ceiling(numeric)", "numeric", (a: Numeric) => checked(ceiling(a))),
  define("scale(numeric)", "int4", (a: Numeric) => (a.isFinite ? a.scale : null)),
  define("min_scale(numeric)", "int4", minScale),
  define("trim_scale(numeric)", "numeric", trimScale),
  fallible("sqrt(numeric)", "numeric", squareRoot),
  fallible("width_bucket(numeric,numeric,numeric,int4)", "int4", widthBucket),
];
