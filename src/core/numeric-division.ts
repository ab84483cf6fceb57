import { Numeric, powerOfTen } from "./numeric.js";

// How PostgreSQL chooses the scale of a quotient (numeric.c, select_div_scale): it keeps at least
// 16 significant digits, counted in its base-10000 digits, and at least either operand's scale.
const MIN_SIGNIFICANT_DIGITS = 16;
const DIGITS_PER_WORD = 4;
const MAX_SCALE = 1000;

/** `dividend` / `divisor` with PostgreSQL's scale and rounding. The divisor is finite, not zero. */
export function divide(dividend: Numeric, divisor: Numeric): Numeric {
  if (!dividend.isFinite) return divisor.sign < 0 ? dividend.negate() : dividend;
  const scale = quotientScale(dividend, divisor);
  const shift = scale + divisor.scale - dividend.scale;
  const numerator = dividend.unscaled * powerOfTen(Math.max(shift, 0));
  const denominator = divisor.unscaled * powerOfTen(Math.max(-shift, 0));
  return Numeric.of(roundedQuotient(numerator, denominator), scale);
}

function quotientScale(dividend: Numeric, divisor: Numeric): number {
  const a = leadingWord(dividend);
  const b = leadingWord(divisor);
  let weight = a.weight - b.weight;
  if (a.word <= b.word) weight--;
  const scale = MIN_SIGNIFICANT_DIGITS - weight * DIGITS_PER_WORD;
  return Math.min(Math.max(scale, dividend.scale, divisor.scale, 0), MAX_SCALE);
}

/** The first base-10000 digit that is not zero, and its power of 10000; 0 and 0 for zero. */
function leadingWord(value: Numeric): { weight: number; word: number } {
  const unscaled = value.unscaled < 0n ? -value.unscaled : value.unscaled;
  if (unscaled === 0n) return { weight: 0, word: 0 };
  const digits = unscaled.toString();
  const exponent = digits.length - value.scale - 1;
  const weight = Math.floor(exponent / DIGITS_PER_WORD);
  const wordDigits = exponent - weight * DIGITS_PER_WORD + 1;
  return { weight, word: Number(digits.slice(0, wordDigits).padEnd(wordDigits, "0")) };
}

/** Rounds half away from zero, as numeric.c does. */
function roundedQuotient(numerator: bigint, denominator: bigint): bigint {
  const negative = numerator < 0n !== denominator < 0n;
  const n = numerator < 0n ? -numerator : numerator;
  const d = denominator < 0n ? -denominator : denominator;
  const quotient = (2n * n + d) / (2n * d);
  return negative ? -quotient : quotient;
}
