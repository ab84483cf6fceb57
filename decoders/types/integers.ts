import type { CellCodec, CellKind, ScaledNumber } from "../../src/core/cell-codec.js";
import { badValue, text } from "./text.js";

const MINUS = 0x2d;
// 15 decimal digits always fit a double exactly.
const EXACT_DIGITS = 15;

/** An optional minus and up to 15 digits, as a double; NaN when the bytes are anything else. */
function readInteger(bytes: Uint8Array, start: number, end: number): number {
  const negative = bytes[start] === MINUS;
  const first = negative ? start + 1 : start;
  if (end - first < 1 || end - first > EXACT_DIGITS) return Number.NaN;
  let value = 0;
  for (let i = first; i < end; i++) {
    const digit = (bytes[i] as number) - 48;
    if (digit < 0 || digit > 9) return Number.NaN;
    value = value * 10 + digit;
  }
  return negative ? -value : value;
}

/** int2, int4, oid: doubles hold them exactly. */
export function smallInteger(typeName: string): CellCodec {
  const read = (bytes: Uint8Array, start: number, end: number): number => {
    const value = readInteger(bytes, start, end);
    if (Number.isNaN(value)) throw badValue(typeName, start, end);
    return value;
  };
  return {
    ...integerFacts("int", typeName, "number"),
    decode: read,
    readNumber: read,
    readScaled(bytes, start, end, out) {
      out.unscaled = read(bytes, start, end);
      out.scale = 0;
      return true;
    },
  };
}

/** int8: a bigint for users, a double inside where the digits fit one. */
export const int8: CellCodec = {
  ...integerFacts("bigint", "bigint", "bigint"),
  decode(bytes, start, end) {
    const small = readInteger(bytes, start, end);
    if (!Number.isNaN(small)) return BigInt(small);
    const digits = text(bytes, start, end);
    if (!/^-?\d{1,19}$/.test(digits)) throw badValue("bigint", start, end);
    return BigInt(digits);
  },
  readScaled(bytes: Uint8Array, start: number, end: number, out: ScaledNumber) {
    const small = readInteger(bytes, start, end);
    if (Number.isNaN(small)) return false;
    out.unscaled = small;
    out.scale = 0;
    return true;
  },
};

function integerFacts(
  kind: CellKind,
  typeName: string,
  tsType: string,
): Pick<CellCodec, "kind" | "typeName" | "tsType" | "hasCanonicalBytes"> {
  return { kind, typeName, tsType, hasCanonicalBytes: true };
}
