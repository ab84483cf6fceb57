import type { CellCodec } from "../../../src/core/cell-codec.js";
import { Numeric, powerOfTen } from "../../../src/core/numeric.js";
import { badValue } from "../text.js";
import { int16 } from "./fixed-integer.js";

// numeric_send: Int16 number of digits, Int16 weight of the first, UInt16 sign, Int16 scale, then
// the digits, each an Int16 to the base 10000.
const HEADER = 8;
const BASE = 10_000;
const BASE_DIGITS = 4;
const NEGATIVE = 0x4000;
const NAN = 0xc000;
const INFINITY = 0xd000;
const NEGATIVE_INFINITY = 0xf000;
const MAX_SCALE = 16_383;
const FAST_GROUPS = 4;
const POWERS = Float64Array.from({ length: 16 }, (_, n) => 10 ** n);

const scratch = { unscaled: 0, scale: 0 };

/** numeric: exact; up to about 15 digits are read without a bigint. */
export const binaryNumeric: CellCodec = {
  kind: "numeric",
  typeName: "numeric",
  tsType: "Numeric",
  hasCanonicalBytes: false,
  decode(bytes, start, end) {
    if (this.readScaled?.(bytes, start, end, scratch)) {
      return Numeric.of(scratch.unscaled, scratch.scale);
    }
    return readLarge(bytes, start, end);
  },
  readScaled(bytes, start, end, out) {
    const groups = end - start < HEADER ? -1 : int16(bytes, start);
    if (groups < 0 || end - start !== HEADER + 2 * groups) throw badValue("numeric", start, end);
    const sign = int16(bytes, start + 4);
    const scale = int16(bytes, start + 6);
    if (groups > FAST_GROUPS || (sign !== 0 && sign !== NEGATIVE) || scale < 0) return false;
    let digits = 0;
    for (let at = start + HEADER; at < end; at += 2) digits = digits * BASE + group(bytes, at);
    // The value is digits * 10^shift, and that times 10^scale is an integer.
    const shift = groups === 0 ? 0 : BASE_DIGITS * (int16(bytes, start + 2) - groups + 1) + scale;
    if (shift >= POWERS.length || -shift >= POWERS.length || Number.isNaN(digits)) return false;
    const unscaled =
      shift >= 0 ? digits * (POWERS[shift] as number) : digits / (POWERS[-shift] as number);
    if (digits > Number.MAX_SAFE_INTEGER || !Number.isSafeInteger(unscaled)) return false;
    out.unscaled = sign === NEGATIVE && unscaled !== 0 ? -unscaled : unscaled;
    out.scale = scale;
    return true;
  },
};

/** A digit to the base 10000; NaN for what is none. */
function group(bytes: Uint8Array, at: number): number {
  const value = int16(bytes, at);
  return value >= 0 && value < BASE ? value : Number.NaN;
}

function readLarge(bytes: Uint8Array, start: number, end: number): Numeric {
  const sign = int16(bytes, start + 4) & 0xffff;
  if (sign === NAN) return Numeric.NaN;
  if (sign === INFINITY) return Numeric.Infinity;
  if (sign === NEGATIVE_INFINITY) return Numeric.NegativeInfinity;
  const groups = int16(bytes, start);
  const scale = int16(bytes, start + 6);
  let digits = "";
  for (let at = start + HEADER; at < end; at += 2) {
    const value = group(bytes, at);
    if (Number.isNaN(value)) throw badValue("numeric", start, end);
    digits += String(value).padStart(BASE_DIGITS, "0");
  }
  if ((sign !== 0 && sign !== NEGATIVE) || scale < 0 || scale > MAX_SCALE) {
    throw badValue("numeric", start, end);
  }
  const magnitude = BigInt(digits === "" ? "0" : digits);
  const shift = BASE_DIGITS * (int16(bytes, start + 2) - groups + 1) + scale;
  const unscaled = shift >= 0 ? magnitude * powerOfTen(shift) : magnitude / powerOfTen(-shift);
  return Numeric.of(sign === NEGATIVE ? -unscaled : unscaled, scale);
}

const view = new DataView(new ArrayBuffer(8));

/** float8: IEEE 754, most significant byte first. */
export const binaryFloat8: CellCodec = floatCodec("double precision", 8, () => view.getFloat64(0));

/**
 * float4: the double whose shortest decimal is that of the single, as the text form gives it: 0.1,
 * and not 0.10000000149011612.
 */
export const binaryFloat4: CellCodec = floatCodec("real", 4, () => {
  const single = view.getFloat32(0);
  const isShort = Number.isInteger(single) && Math.abs(single) < 2 ** 24;
  return isShort || !Number.isFinite(single) ? single : shortest(single);
});

/** Least normal single: below, fewer than six digits may do and be another decimal. */
const MIN_NORMAL = 2 ** -126;
const MAX_DIGITS = 9;

/** `view` holds the single. */
function shortest(single: number): number {
  const bits = view.getUint32(0);
  view.setUint32(0, bits - 1);
  const halfIn = (view.getFloat32(0) + single) / 2;
  view.setUint32(0, bits + 1);
  const halfOut = (view.getFloat32(0) + single) / 2;
  let digits = Math.abs(single) < MIN_NORMAL ? 1 : 6;
  for (; digits < MAX_DIGITS; digits++) {
    const value = rounded(single, digits);
    // PostgreSQL's printing does not count on how a value half-way to the next one is rounded.
    if (Math.fround(value) === single && value !== halfIn && value !== halfOut) return value;
  }
  return rounded(single, MAX_DIGITS);
}

/** To so many digits; half-way to the even one, where toExponential takes the greater. */
function rounded(single: number, digits: number): number {
  const longer = single.toExponential(digits);
  const even = /[02468]\.?5e/.test(longer) ? longer.replace("5e", "e") : "";
  const isHalfWay = even !== "" && Number(longer) === single;
  return Number(isHalfWay ? even : single.toExponential(digits - 1));
}

function floatCodec(typeName: string, length: number, value: () => number): CellCodec {
  const read = (bytes: Uint8Array, start: number, end: number): number => {
    if (end - start !== length) throw badValue(typeName, start, end);
    for (let i = 0; i < length; i++) view.setUint8(i, bytes[start + i] as number);
    return value();
  };
  return {
    kind: "float",
    typeName,
    tsType: "number",
    hasCanonicalBytes: false,
    decode: read,
    readNumber: read,
  };
}
