/** A finite double, or a sum or product of some, exact: mantissa times 2^exponent. */
export interface Dyadic {
  readonly mantissa: bigint;
  readonly exponent: number;
}

export const DYADIC_ZERO: Dyadic = { mantissa: 0n, exponent: 0 };

const VIEW = new DataView(new ArrayBuffer(8));
const FRACTION = (1n << 52n) - 1n;
/** More bits than a double has, so that one at the end decides between two of them. */
const QUOTIENT_BITS = 70;

export function dyadicOf(value: number): Dyadic {
  if (Number.isSafeInteger(value)) return { mantissa: BigInt(value), exponent: 0 };
  VIEW.setFloat64(0, value);
  const bits = VIEW.getBigUint64(0);
  const biased = Number((bits >> 52n) & 2047n);
  const fraction = bits & FRACTION;
  const mantissa = biased === 0 ? fraction : fraction | (1n << 52n);
  return { mantissa: value < 0 ? -mantissa : mantissa, exponent: Math.max(biased, 1) - 1075 };
}

export function addDyadic(a: Dyadic, b: Dyadic): Dyadic {
  const exponent = Math.min(a.exponent, b.exponent);
  const mantissa = shifted(a, exponent) + shifted(b, exponent);
  return mantissa === 0n ? DYADIC_ZERO : { mantissa, exponent };
}

export function multiplyDyadic(a: Dyadic, b: Dyadic): Dyadic {
  return { mantissa: a.mantissa * b.mantissa, exponent: a.exponent + b.exponent };
}

/** The double nearest to `a` / `divisor`; the divisor is positive. */
export function dyadicQuotient(a: Dyadic, divisor: bigint): number {
  const isNegative = a.mantissa < 0n;
  const n = isNegative ? -a.mantissa : a.mantissa;
  const shift = Math.max(0, QUOTIENT_BITS - (bitsOf(n) - bitsOf(divisor)));
  const numerator = n << BigInt(shift);
  const quotient = numerator / divisor;
  const isExact = quotient * divisor === numerator;
  const rounded = Number(isExact ? quotient : quotient | 1n);
  // In two steps: a power of two alone may be out of range where the product is not.
  const exponent = a.exponent - shift;
  const half = exponent >> 1;
  const result = rounded * 2 ** half * 2 ** (exponent - half);
  return isNegative ? -result : result;
}

function shifted({ mantissa, exponent }: Dyadic, to: number): bigint {
  return mantissa << BigInt(exponent - to);
}

/** Bits of a positive integer, up to three too many. */
function bitsOf(n: bigint): number {
  return n.toString(16).length * 4;
}
