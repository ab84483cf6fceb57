import { Numeric, powerOfTen } from "./numeric.js";

/**
 * The square root at the scale of `value`, rounded half up, as numeric.c's sqrt_var gives it for
 * that scale. The value is finite and not negative.
 */
export function squareRoot(value: Numeric): Numeric {
  const { unscaled, scale } = value;
  // One digit more than is wanted, rounded down: that digit decides.
  const root = integerRoot(unscaled * powerOfTen(scale + 2));
  return Numeric.of((root + 5n) / 10n, scale);
}

/** The greatest integer whose square is at most `n` (Newton, from above). */
function integerRoot(n: bigint): bigint {
  if (n < 2n) return n;
  let root = 1n << BigInt((n.toString(16).length * 4 + 1) >> 1);
  for (;;) {
    const next = (root + n / root) >> 1n;
    if (next >= root) return root;
    root = next;
  }
}
