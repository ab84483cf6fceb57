import { setLowerBounds } from "../../../src/core/array-bounds.js";
import type { CellCodec } from "../../../src/core/cell-codec.js";
import { Range } from "../../../src/core/range.js";
import { arrayFacts } from "../arrays.js";
import { type CompositeField, compositeFacts } from "../composites.js";
import { multirangeFacts, rangeFacts } from "../ranges.js";
import { badValue } from "../text.js";
import { int32 } from "./fixed-integer.js";

const MAX_DIMENSIONS = 6;
const EMPTY = 1;
const LOWER_INCLUSIVE = 2;
const UPPER_INCLUSIVE = 4;
const LOWER_INFINITE = 8;
const UPPER_INFINITE = 16;

/** A cursor in a cell whose reads stay inside it. */
class BinaryCell {
  readonly bytes: Uint8Array;
  readonly end: number;
  at: number;
  readonly #typeName: string;
  readonly #start: number;

  constructor(typeName: string, bytes: Uint8Array, bounds: readonly [number, number]) {
    this.#typeName = typeName;
    this.bytes = bytes;
    this.#start = bounds[0];
    this.at = bounds[0];
    this.end = bounds[1];
  }

  bad(): Error {
    return badValue(this.#typeName, this.#start, this.end);
  }

  int32(): number {
    if (this.at + 4 > this.end) throw this.bad();
    this.at += 4;
    return int32(this.bytes, this.at - 4);
  }

  /** Int32 length, -1 for NULL, and as many bytes. */
  value(codec: CellCodec): unknown {
    const length = this.int32();
    if (length === -1) return null;
    const start = this.at;
    if (length < 0 || start + length > this.end) throw this.bad();
    this.at = start + length;
    return codec.decode(this.bytes, start, this.at);
  }

  finish(): void {
    if (this.at !== this.end) throw this.bad();
  }
}

/**
 * array_send: Int32 dimensions, Int32 whether there are NULLs, Int32 OID of the elements; Int32
 * size and Int32 lower bound a dimension; then the elements, the last dimension fastest.
 */
export function binaryArray(element: CellCodec): CellCodec {
  const facts = arrayFacts(element);
  return {
    ...facts,
    decode(bytes, start, end) {
      const cell = new BinaryCell(facts.typeName, bytes, [start, end]);
      const dimensions = cell.int32();
      if (dimensions < 0 || dimensions > MAX_DIMENSIONS) throw cell.bad();
      cell.int32();
      cell.int32();
      const sizes: number[] = [];
      const lower: number[] = [];
      let total = 1;
      for (let d = 0; d < dimensions; d++) {
        const size = cell.int32();
        lower.push(cell.int32());
        total *= size;
        // An element takes four bytes at least, so that a count cannot ask for more than it has.
        if (size < 1 || total * 4 > end - start) throw cell.bad();
        sizes.push(size);
      }
      const value = dimensions === 0 ? [] : readLevel(cell, element, sizes);
      cell.finish();
      setLowerBounds(value, lower);
      return value;
    },
  };
}

function readLevel(cell: BinaryCell, element: CellCodec, sizes: readonly number[]): unknown[] {
  const [size = 0, ...rest] = sizes;
  const values: unknown[] = [];
  for (let i = 0; i < size; i++) {
    values.push(rest.length === 0 ? cell.value(element) : readLevel(cell, element, rest));
  }
  return values;
}

/** range_send: Byte1 flags, then each bound there is as Int32 length and bytes. */
export function binaryRange(typeName: string, bound: CellCodec): CellCodec {
  return {
    ...rangeFacts(typeName, bound),
    decode(bytes, start, end) {
      const cell = new BinaryCell(typeName, bytes, [start, end]);
      if (start === end) throw cell.bad();
      const flags = bytes[cell.at++] as number;
      if ((flags & EMPTY) !== 0) {
        cell.finish();
        return Range.empty();
      }
      const lower = (flags & LOWER_INFINITE) !== 0 ? null : cell.value(bound);
      const upper = (flags & UPPER_INFINITE) !== 0 ? null : cell.value(bound);
      cell.finish();
      const isLowerInclusive = (flags & LOWER_INCLUSIVE) !== 0;
      const isUpperInclusive = (flags & UPPER_INCLUSIVE) !== 0;
      return Range.of({ lower, upper, isLowerInclusive, isUpperInclusive });
    },
  };
}

/** multirange_send: Int32 count, then each range as Int32 length and bytes. */
export function binaryMultirange(typeName: string, bound: CellCodec): CellCodec {
  const member = binaryRange(typeName, bound);
  return {
    ...multirangeFacts(typeName, bound),
    decode(bytes, start, end) {
      const cell = new BinaryCell(typeName, bytes, [start, end]);
      const ranges: unknown[] = [];
      for (let rest = cell.int32(); rest > 0; rest--) ranges.push(cell.value(member));
      cell.finish();
      return ranges;
    },
  };
}

/** record_send: Int32 fields, then each as Int32 OID of its type, Int32 length and bytes. */
export function binaryComposite(typeName: string, fields: readonly CompositeField[]): CellCodec {
  return {
    ...compositeFacts(typeName, fields),
    decode(bytes, start, end) {
      const cell = new BinaryCell(typeName, bytes, [start, end]);
      if (cell.int32() !== fields.length) throw cell.bad();
      const value: Record<string, unknown> = Object.create(null);
      for (const { name, codec } of fields) {
        cell.int32();
        value[name] = cell.value(codec);
      }
      cell.finish();
      return value;
    },
  };
}
