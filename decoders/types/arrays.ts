import { setLowerBounds } from "../../src/core/array-bounds.js";
import type { CellCodec } from "../../src/core/cell-codec.js";
import { QuotedField, type TextCursor } from "./quoted-field.js";
import { badValue, text } from "./text.js";

// array_out (manual, 8.15.6): `{a,"b c",NULL}`, nested for several dimensions, and `[5:6]=` in
// front where a dimension does not start at 1.

const OPEN = 0x7b;
const CLOSE = 0x7d;
const BRACKET = 0x5b;
const EQUALS = 0x3d;
const MAX_DIMENSIONS = 6;

/** What an array of `element` is called, and what its values are in TypeScript. */
export function arrayFacts(
  element: CellCodec,
): Pick<CellCodec, "kind" | "typeName" | "tsType" | "hasCanonicalBytes"> {
  return {
    kind: "array",
    typeName: `${element.typeName}[]`,
    tsType: `(${element.tsType} | null)[]`,
    hasCanonicalBytes: false,
  };
}

/** Arrays in text form; `delimiter` is the element type's (a comma for all but box). */
export function array(element: CellCodec, delimiter = ","): CellCodec {
  const stops = Uint8Array.of(delimiter.charCodeAt(0), CLOSE);
  const facts = arrayFacts(element);
  return {
    ...facts,
    decode(bytes, start, end) {
      const cursor = { bytes, at: start, end };
      const bounds = readBounds(cursor);
      const reader = new LevelReader(element, stops);
      const value = reader.read(cursor, 1);
      if (value === null || cursor.at !== end) throw badValue(facts.typeName, start, end);
      if (bounds !== null) setLowerBounds(value, bounds);
      return value;
    },
  };
}

/** `[5:6][1:2]=` as the lower bounds; null when there is nothing of it. */
function readBounds(cursor: TextCursor): number[] | null {
  const { bytes, at, end } = cursor;
  if (at === end || bytes[at] !== BRACKET) return null;
  const equals = bytes.indexOf(EQUALS, at);
  if (equals < 0 || equals >= end) return null;
  const prefix = text(bytes, at, equals);
  if (!/^(?:\[-?\d{1,10}:-?\d{1,10}\]){1,6}$/.test(prefix)) return null;
  cursor.at = equals + 1;
  return [...prefix.matchAll(/\[(-?\d+):/g)].map(([, bound]) => Number(bound));
}

class LevelReader {
  readonly #element: CellCodec;
  readonly #stops: Uint8Array;
  readonly #field = new QuotedField();

  constructor(element: CellCodec, stops: Uint8Array) {
    this.#element = element;
    this.#stops = stops;
  }

  /** Reads `{...}`; null when that is not what stands at the cursor. */
  read(cursor: TextCursor, depth: number): unknown[] | null {
    const { bytes, end } = cursor;
    if (depth > MAX_DIMENSIONS || cursor.at >= end || bytes[cursor.at] !== OPEN) return null;
    const values: unknown[] = [];
    cursor.at++;
    if (cursor.at < end && bytes[cursor.at] === CLOSE) {
      cursor.at++;
      return values;
    }
    while (cursor.at < end) {
      if (bytes[cursor.at] === OPEN) {
        const inner = this.read(cursor, depth + 1);
        if (inner === null) return null;
        values.push(inner);
      } else {
        if (!this.#field.read(cursor, this.#stops)) return null;
        values.push(this.#isNull() ? null : this.#field.decode(this.#element));
      }
      const next = cursor.at < end ? bytes[cursor.at++] : -1;
      if (next === CLOSE) return values;
      if (next !== this.#stops[0]) return null;
    }
    return null;
  }

  /** An unquoted NULL; array_out always prints it in capitals. */
  #isNull(): boolean {
    const { bytes, start, end, isQuoted } = this.#field;
    if (isQuoted || end - start !== 4) return false;
    return text(bytes, start, end) === "NULL";
  }
}
