import type { CellCodec } from "../../src/core/cell-codec.js";
import { QuotedField } from "./quoted-field.js";
import { stringLiteral } from "./string-literal.js";
import { badValue } from "./text.js";

// record_out (manual, 8.16.6): `(1,"a b",)`; nothing between two commas is NULL, `""` is empty.

const OPEN = 0x28;
const CLOSE = 0x29;
const COMMA = 0x2c;
const STOPS = Uint8Array.of(COMMA, CLOSE);

/** A field of a composite type, in the order of the type. */
export interface CompositeField {
  readonly name: string;
  readonly codec: CellCodec;
}

/** What a composite type is called, and what its values are in TypeScript. */
export function compositeFacts(
  typeName: string,
  fields: readonly CompositeField[],
): Pick<CellCodec, "kind" | "typeName" | "tsType" | "hasCanonicalBytes"> {
  const members = fields.map(({ name, codec }) => `${propertyName(name)}: ${orNull(codec)}`);
  const tsType = fields.length === 0 ? "Record<never, never>" : `{ ${members.join("; ")} }`;
  return { kind: "composite", typeName, tsType, hasCanonicalBytes: false };
}

/** Composites in text form: objects without a prototype, with a property for each field. */
export function composite(typeName: string, fields: readonly CompositeField[]): CellCodec {
  return {
    ...compositeFacts(typeName, fields),
    decode(bytes, start, end) {
      const bad = () => badValue(typeName, start, end);
      if (end - start < 2 || bytes[start] !== OPEN || bytes[end - 1] !== CLOSE) throw bad();
      const cursor = { bytes, at: start + 1, end };
      const field = new QuotedField();
      const value: Record<string, unknown> = Object.create(null);
      fields.forEach(({ name, codec }, index) => {
        if (!field.read(cursor, STOPS) || cursor.at >= end) throw bad();
        const isNull = field.start === field.end && !field.isQuoted;
        value[name] = isNull ? null : field.decode(codec);
        const isLast = index === fields.length - 1;
        if (bytes[cursor.at++] !== (isLast ? CLOSE : COMMA)) throw bad();
      });
      if (fields.length === 0) cursor.at++;
      if (cursor.at !== end) throw bad();
      return value;
    },
  };
}

function orNull(codec: CellCodec): string {
  return codec.tsType === "unknown" ? "unknown" : `${codec.tsType} | null`;
}

function propertyName(name: string): string {
  return /^[\p{ID_Start}_$][\p{ID_Continue}$]*$/u.test(name) ? name : stringLiteral(name);
}
