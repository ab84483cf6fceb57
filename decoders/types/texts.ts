import type { CellCodec } from "../../src/core/cell-codec.js";
import { parseJson } from "./json-value.js";
import { badValue, text } from "./text.js";

/** Types whose text is the value. `kind` is "other" for types that Tidemark does not know. */
export function textual(typeName: string, kind: "text" | "other" = "text"): CellCodec {
  return { kind, typeName, tsType: "string", hasCanonicalBytes: kind === "text", decode: text };
}

export const bool: CellCodec = {
  kind: "bool",
  typeName: "boolean",
  tsType: "boolean",
  hasCanonicalBytes: true,
  decode(bytes, start, end) {
    if (end - start === 1) {
      if (bytes[start] === 0x74) return true;
      if (bytes[start] === 0x66) return false;
    }
    throw badValue("boolean", start, end);
  },
};

/** bytea under bytea_output=hex: `\x` and two digits a byte. */
export const bytea: CellCodec = {
  kind: "bytea",
  typeName: "bytea",
  tsType: "Uint8Array",
  hasCanonicalBytes: true,
  decode(bytes, start, end) {
    const hex = text(bytes, start, end);
    if (!/^\\x(?:[0-9a-f]{2})*$/.test(hex)) throw badValue("bytea", start, end);
    return Uint8Array.from(Buffer.from(hex.slice(2), "hex"));
  },
};

/** json and jsonb; numbers that a double does not hold come as Numeric. */
export function json(typeName: "json" | "jsonb"): CellCodec {
  const form = { hasExponents: typeName === "json" };
  return {
    kind: "json",
    typeName,
    tsType: "unknown",
    hasCanonicalBytes: false,
    decode(bytes, start, end) {
      try {
        return parseJson({ bytes, start, end }, text(bytes, start, end), form);
      } catch (error) {
        if (error instanceof SyntaxError) throw badValue(typeName, start, end);
        throw error;
      }
    },
  };
}
