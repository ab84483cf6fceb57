import type { CellCodec } from "../../src/core/cell-codec.js";
import { TidemarkError } from "../../src/core/errors.js";
import { Numeric } from "../../src/core/numeric.js";
import { badValue, text } from "./text.js";

const MINUS = 0x2d;
const POINT = 0x2e;
const PLUS = 0x2b;
const EXPONENT = 0x65;
const EXACT_DIGITS = 15;

/** numeric: exact; the fast path reads up to 15 digits without making a string. */
export const numeric: CellCodec = {
  kind: "numeric",
  typeName: "numeric",
  tsType: "Numeric",
  hasCanonicalBytes: false,
  decode(bytes, start, end) {
    if (this.readScaled?.(bytes, start, end, scratch)) {
      return Numeric.of(scratch.unscaled, scratch.scale);
    }
    try {
      return Numeric.parse(text(bytes, start, end));
    } catch (error) {
      if (error instanceof TidemarkError) throw badValue("numeric", start, end);
      throw error;
    }
  },
  readScaled(bytes, start, end, out) {
    const negative = bytes[start] === MINUS;
    let value = 0;
    let point = -1;
    let i = negative ? start + 1 : start;
    if (end - i > EXACT_DIGITS + 1 || i === end) return false;
    for (; i < end; i++) {
      const byte = bytes[i] as number;
      const digit = byte - 48;
      if (digit >= 0 && digit <= 9) value = value * 10 + digit;
      else if (byte === POINT && point < 0) point = i;
      else return false;
    }
    const digits = i - start - (negative ? 1 : 0) - (point < 0 ? 0 : 1);
    if (digits === 0 || value > Number.MAX_SAFE_INTEGER) return false;
    out.unscaled = negative && value !== 0 ? -value : value;
    out.scale = point < 0 ? 0 : end - point - 1;
    return true;
  },
};

const scratch = { unscaled: 0, scale: 0 };

/** float4 and float8: doubles; with extra_float_digits the text names the value exactly. */
export function float(typeName: string): CellCodec {
  const read = (bytes: Uint8Array, start: number, end: number): number => {
    const digits = text(bytes, start, end);
    const value = Number(digits);
    const isValue = isDecimal(bytes, start, end)
      ? end > start && !Number.isNaN(value)
      : digits === "NaN" || digits === "Infinity" || digits === "-Infinity";
    if (!isValue) throw badValue(typeName, start, end);
    return value;
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

/** Whether there are only digits, signs, points and `e`: Number() also takes 0x10 and " 1". */
function isDecimal(bytes: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    const byte = bytes[i] as number;
    const isDigit = byte >= 48 && byte <= 57;
    if (!isDigit && byte !== MINUS && byte !== POINT && byte !== PLUS && byte !== EXPONENT) {
      return false;
    }
  }
  return true;
}
