import { ABSENT_CELL, type Batch, NULL_CELL, UNCHANGED_CELL } from "../../src/core/batch.js";
import type { Relation } from "../../src/core/relation.js";
import type { Field, FieldList } from "./field-list.js";
import { type JsonCursor, Scalar, writeUnescaped } from "./json-cursor.js";

const BYTEA = 17;
const HEX_PREFIX = "\\x";

/**
 * Writes the cells of a change. A value's text lies in the message as it is, `t` and `f` being the
 * first letters of true and false, unless it has escapes or is a bytea, which comes without its
 * `\x`: then all values of the change are copied beside each other, as a change has one buffer.
 */
export class ImageWriter {
  /** The buffer that the cells of the change point into. */
  bytes: Uint8Array = new Uint8Array(0);
  #copy: Buffer | null = null;
  #used = 0;

  begin(cursor: JsonCursor, lists: readonly FieldList[]): void {
    this.bytes = cursor.bytes;
    this.#copy = null;
    this.#used = 0;
    if (!lists.some(needsCopy)) return;
    // Unescaped, a value is no longer than it was, and the quotes around it leave room for `\x`.
    this.#copy = Buffer.allocUnsafe(lists.reduce((sum, list) => sum + roomOf(list), 0));
    this.bytes = this.#copy;
  }

  /**
   * Appends an image and returns its place in `batch.cells`. What `fields` lack is UNCHANGED, or
   * ABSENT in a key image.
   */
  image(
    batch: Batch,
    relation: Relation,
    from: { readonly cursor: JsonCursor; readonly fields: FieldList; readonly isKey: boolean },
  ): number {
    const { columns } = relation;
    const { cursor, fields, isKey } = from;
    const cells = batch.reserveCells(columns.length);
    const image = batch.cellsUsed;
    let out = image;
    let next = 0;
    for (let i = 0; i < columns.length; i++, out += 2) {
      const name = columns[i]?.name as string;
      const field = next < fields.count && fields.at(next).name === name ? fields.at(next) : null;
      if (field === null) {
        cells[out] = isKey ? ABSENT_CELL : UNCHANGED_CELL;
        continue;
      }
      next++;
      this.#cell(cursor, field, cells, out);
    }
    if (next !== fields.count) throw cursor.error("columns in another order than the table's");
    batch.cellsUsed = out;
    return image;
  }

  #cell(cursor: JsonCursor, field: Field, cells: Int32Array, out: number): void {
    const { kind, from } = field;
    if (kind === Scalar.null) {
      cells[out] = NULL_CELL;
      return;
    }
    const isWord = kind === Scalar.true || kind === Scalar.false;
    const to = isWord ? from + 1 : field.to;
    const copy = this.#copy;
    if (copy === null) {
      cells[out] = from;
      cells[out + 1] = to;
      return;
    }
    const start = this.#used;
    let end = start;
    if (field.typeOid === BYTEA) end += copy.write(HEX_PREFIX, end, "latin1");
    if (field.hasEscapes) end = writeUnescaped({ bytes: cursor.bytes, from, to }, copy, end);
    else {
      copy.set(cursor.bytes.subarray(from, to), end);
      end += to - from;
    }
    this.#used = end;
    cells[out] = start;
    cells[out + 1] = end;
  }
}

function needsCopy(fields: FieldList): boolean {
  for (let i = 0; i < fields.count; i++) {
    const { kind, hasEscapes, typeOid } = fields.at(i);
    if (hasEscapes || (typeOid === BYTEA && kind !== Scalar.null)) return true;
  }
  return false;
}

function roomOf(fields: FieldList): number {
  let room = 0;
  for (let i = 0; i < fields.count; i++) {
    const { from, to } = fields.at(i);
    room += to - from + HEX_PREFIX.length;
  }
  return room;
}

/** Whether every column of the key has the same text in both lists. */
export function hasSameKey(
  { bytes }: JsonCursor,
  identity: FieldList,
  columns: FieldList,
): boolean {
  for (let i = 0; i < identity.count; i++) {
    const old = identity.at(i);
    const field = columns.find(old.name, i);
    if (field === null || field.kind !== old.kind || field.to - field.from !== old.to - old.from) {
      return false;
    }
    for (let at = 0; at < old.to - old.from; at++) {
      if (bytes[old.from + at] !== bytes[field.from + at]) return false;
    }
  }
  return true;
}
