import type { CellCodec } from "../../../src/core/cell-codec.js";
import { badValue } from "../text.js";
import { json } from "../texts.js";

const HEX = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
const UUID_LENGTH = 16;
const JSONB_VERSION = 1;

/** bool: one byte, 0 or 1. */
export const binaryBool: CellCodec = {
  kind: "bool",
  typeName: "boolean",
  tsType: "boolean",
  hasCanonicalBytes: true,
  canonicalText: (bytes, start, end) => (binaryBool.decode(bytes, start, end) ? "t" : "f"),
  decode(bytes, start, end) {
    const byte = bytes[start] as number;
    if (end - start !== 1 || byte > 1) throw badValue("boolean", start, end);
    return byte === 1;
  },
};

/** bytea: the bytes themselves, copied. */
export const binaryBytea: CellCodec = {
  kind: "bytea",
  typeName: "bytea",
  tsType: "Uint8Array",
  hasCanonicalBytes: true,
  canonicalText: (bytes, start, end) => `\\x${hex(bytes, start, end)}`,
  decode: (bytes, start, end) => Uint8Array.from(bytes.subarray(start, end)),
};

/** uuid: 16 bytes. */
export const binaryUuid: CellCodec = {
  kind: "text",
  typeName: "uuid",
  tsType: "string",
  hasCanonicalBytes: true,
  canonicalText: readUuid,
  decode: readUuid,
};

const TEXT_JSONB = json("jsonb");

/** jsonb: a version byte, then the text. */
export const binaryJsonb: CellCodec = {
  ...TEXT_JSONB,
  decode(bytes, start, end) {
    if (start === end || bytes[start] !== JSONB_VERSION) throw badValue("jsonb", start, end);
    return TEXT_JSONB.decode(bytes, start + 1, end);
  },
};

function readUuid(bytes: Uint8Array, start: number, end: number): string {
  if (end - start !== UUID_LENGTH) throw badValue("uuid", start, end);
  const part = (from: number, to: number): string => hex(bytes, start + from, start + to);
  return `${part(0, 4)}-${part(4, 6)}-${part(6, 8)}-${part(8, 10)}-${part(10, 16)}`;
}

function hex(bytes: Uint8Array, start: number, end: number): string {
  let digits = "";
  for (let i = start; i < end; i++) digits += HEX[bytes[i] as number] as string;
  return digits;
}
