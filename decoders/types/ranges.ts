import type { CellCodec } from "../../src/core/cell-codec.js";
import { Range } from "../../src/core/range.js";
import { QuotedField, type TextCursor } from "./quoted-field.js";
import { badValue, text } from "./text.js";

// range_out and multirange_out (manual, 8.17.5): `[1,5)`, `(,"a b"]`, `empty`; `{[1,2),[5,6)}`.

const SQUARE_OPEN = 0x5b;
const ROUND_OPEN = 0x28;
const SQUARE_CLOSE = 0x5d;
const ROUND_CLOSE = 0x29;
const COMMA = 0x2c;
const CURLY_OPEN = 0x7b;
const CURLY_CLOSE = 0x7d;
const LOWER_STOPS = Uint8Array.of(COMMA, COMMA);
const UPPER_STOPS = Uint8Array.of(SQUARE_CLOSE, ROUND_CLOSE);

/** Ranges over `bound`, in text form. */
export function range(typeName: string, bound: CellCodec): CellCodec {
  return {
    ...rangeFacts(typeName, bound),
    decode(bytes, start, end) {
      if (end - start === 5 && text(bytes, start, end) === "empty") return Range.empty();
      const cursor = { bytes, at: start, end };
      const value = readRange(cursor, bound);
      if (value === null || cursor.at !== end) throw badValue(typeName, start, end);
      return value;
    },
  };
}

/** What a range type is called, and what its values are in TypeScript. */
export function rangeFacts(
  typeName: string,
  bound: CellCodec,
): Pick<CellCodec, "kind" | "typeName" | "tsType" | "hasCanonicalBytes"> {
  const tsType = `Range<${bound.tsType}>`;
  return { kind: "range", typeName, tsType, hasCanonicalBytes: false };
}

/** Multiranges over `bound`, in text form: an array of ranges, in order. */
export function multirange(typeName: string, bound: CellCodec): CellCodec {
  return {
    ...multirangeFacts(typeName, bound),
    decode(bytes, start, end) {
      const cursor = { bytes, at: start + 1, end: end - 1 };
      const isCurly = bytes[start] === CURLY_OPEN && bytes[end - 1] === CURLY_CLOSE;
      if (end - start < 2 || !isCurly) throw badValue(typeName, start, end);
      const ranges: Range<unknown>[] = [];
      while (cursor.at < cursor.end) {
        if (ranges.length > 0 && bytes[cursor.at++] !== COMMA) throw badValue(typeName, start, end);
        const value = readRange(cursor, bound);
        if (value === null) throw badValue(typeName, start, end);
        ranges.push(value);
      }
      return ranges;
    },
  };
}

/** As {@link rangeFacts}, for a multirange type. */
export function multirangeFacts(
  typeName: string,
  bound: CellCodec,
): Pick<CellCodec, "kind" | "typeName" | "tsType" | "hasCanonicalBytes"> {
  const facts = rangeFacts(typeName, bound);
  return { ...facts, kind: "array", tsType: `${facts.tsType}[]` };
}

function readRange(cursor: TextCursor, bound: CellCodec): Range<unknown> | null {
  const { bytes, end } = cursor;
  const open = cursor.at < end ? bytes[cursor.at++] : -1;
  if (open !== SQUARE_OPEN && open !== ROUND_OPEN) return null;
  const field = new QuotedField();
  if (!field.read(cursor, LOWER_STOPS) || cursor.at++ >= end) return null;
  const lower = isMissing(field) ? null : field.decode(bound);
  if (!field.read(cursor, UPPER_STOPS) || cursor.at >= end) return null;
  const upper = isMissing(field) ? null : field.decode(bound);
  const isUpperInclusive = bytes[cursor.at++] === SQUARE_CLOSE;
  return Range.of({ lower, upper, isLowerInclusive: open === SQUARE_OPEN, isUpperInclusive });
}

function isMissing(field: QuotedField): boolean {
  return field.start === field.end && !field.isQuoted;
}
