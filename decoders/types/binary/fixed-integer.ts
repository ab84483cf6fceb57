import type { CellCodec } from "../../../src/core/cell-codec.js";
import { badValue } from "../text.js";

/** Two's complement, most significant byte first; the caller has checked the length. */
export function int16(bytes: Uint8Array, at: number): number {
  return (((bytes[at] as number) << 24) >> 16) | (bytes[at + 1] as number);
}

export function int32(bytes: Uint8Array, at: number): number {
  return (
    ((bytes[at] as number) << 24) |
    ((bytes[at + 1] as number) << 16) |
    ((bytes[at + 2] as number) << 8) |
    (bytes[at + 3] as number)
  );
}

export function int64(bytes: Uint8Array, at: number): bigint {
  return (BigInt(int32(bytes, at)) << 32n) | BigInt(int32(bytes, at + 4) >>> 0);
}

/** How an integer of a fixed number of bytes is read. */
interface FixedInteger {
  readonly typeName: string;
  readonly length: number;
  read(bytes: Uint8Array, at: number): number;
}

/** int2, int4, oid. */
export function binaryInteger({ typeName, length, read }: FixedInteger): CellCodec {
  const checked = (bytes: Uint8Array, start: number, end: number): number => {
    if (end - start !== length) throw badValue(typeName, start, end);
    return read(bytes, start);
  };
  return {
    kind: "int",
    typeName,
    tsType: "number",
    hasCanonicalBytes: true,
    decode: checked,
    readNumber: checked,
    canonicalText: (bytes, start, end) => String(checked(bytes, start, end)),
    readScaled(bytes, start, end, out) {
      out.unscaled = checked(bytes, start, end);
      out.scale = 0;
      return true;
    },
  };
}

// Below this, high * 2^32 + low is a safe integer.
const SAFE_HIGH = 2 ** 20;

/** int8. */
export const binaryInt8: CellCodec = {
  kind: "bigint",
  typeName: "bigint",
  tsType: "bigint",
  hasCanonicalBytes: true,
  decode(bytes, start, end) {
    if (end - start !== 8) throw badValue("bigint", start, end);
    const high = int32(bytes, start);
    if (high < -SAFE_HIGH || high >= SAFE_HIGH) return int64(bytes, start);
    return BigInt(high * 4_294_967_296 + (int32(bytes, start + 4) >>> 0));
  },
  canonicalText: (bytes, start, end) => String(binaryInt8.decode(bytes, start, end)),
  readScaled(bytes, start, end, out) {
    if (end - start !== 8) throw badValue("bigint", start, end);
    const high = int32(bytes, start);
    if (high < -SAFE_HIGH || high >= SAFE_HIGH) return false;
    out.unscaled = high * 4_294_967_296 + (int32(bytes, start + 4) >>> 0);
    out.scale = 0;
    return true;
  },
};
