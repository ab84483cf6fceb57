import { ABSENT_CELL, NO_IMAGE, NULL_CELL, Op, UNCHANGED_CELL } from "../../src/core/batch.js";
import type { Relation } from "../../src/core/relation.js";
import type { BatchInProgress } from "../batch-in-progress.js";
import { fillUnchanged } from "../fill-unchanged.js";
import type { MessageReader } from "./reader.js";
import { TAG } from "./tags.js";

/**
 * Reads row changes into a batch. Cells are found, not decoded: a tuple costs one pass that writes
 * each cell's start and end offset into the batch and checks every length against the message.
 * Values are made when somebody reads them (see Row and CellCodec).
 */
export class ChangeReader {
  readonly #output: BatchInProgress;
  /** How the server was asked to send values. */
  readonly #valueTag: number;

  constructor(output: BatchInProgress, isBinary: boolean) {
    this.#output = output;
    this.#valueTag = isBinary ? TAG.binary : TAG.text;
  }

  insert(reader: MessageReader, relation: Relation): void {
    if (reader.uint8() !== TAG.newTuple) throw reader.error("an insert without a new row");
    const after = this.#tuple(reader, relation);
    reader.finish();
    this.#output.batch.push(Op.insert, relation, reader.bytes, after, NO_IMAGE);
  }

  update(reader: MessageReader, relation: Relation): void {
    let tag = reader.uint8();
    const oldTag = tag;
    let before = NO_IMAGE;
    if (tag === TAG.keyTuple || tag === TAG.oldTuple) {
      before = this.#tuple(reader, relation);
      tag = reader.uint8();
    }
    if (tag !== TAG.newTuple) throw reader.error("an update without a new row");
    const after = this.#tuple(reader, relation);
    reader.finish();
    if (oldTag === TAG.keyTuple) this.#clearOthers(relation, before);
    if (oldTag === TAG.oldTuple) fillUnchanged(this.#output.batch, relation, { before, after });
    this.#output.batch.push(Op.update, relation, reader.bytes, after, before);
  }

  delete(reader: MessageReader, relation: Relation): void {
    const tag = reader.uint8();
    if (tag !== TAG.keyTuple && tag !== TAG.oldTuple) {
      throw reader.error("a delete without an old row");
    }
    const before = this.#tuple(reader, relation);
    reader.finish();
    if (tag === TAG.keyTuple) this.#clearOthers(relation, before);
    this.#output.batch.push(Op.delete, relation, reader.bytes, NO_IMAGE, before);
  }

  truncate(reader: MessageReader, relations: readonly Relation[]): void {
    for (const relation of relations) {
      this.#output.batch.push(Op.truncate, relation, reader.bytes, NO_IMAGE, NO_IMAGE);
    }
  }

  /** A key image has NULL in place of every column that is no part of the key (manual, 54.9). */
  #clearOthers(relation: Relation, image: number): void {
    const { cells } = this.#output.batch;
    relation.columns.forEach(({ isKey }, index) => {
      if (!isKey) cells[image + 2 * index] = ABSENT_CELL;
    });
  }

  /**
   * TupleData: Int16 column count, then a column: Byte1 kind and, for values, Int32 length and the
   * bytes. Returns the image's place in `cells`.
   */
  #tuple(reader: MessageReader, relation: Relation): number {
    const count = reader.uint16();
    if (count !== relation.columns.length) throw reader.error("a row with a wrong column count");
    const batch = this.#output.batch;
    const cells = batch.reserveCells(count);
    const image = batch.cellsUsed;
    const valueTag = this.#valueTag;
    const { bytes, end } = reader;
    let at = reader.at;
    let out = image;
    for (let i = 0; i < count; i++) {
      const kind = at < end ? bytes[at] : -1;
      if (
        (kind === valueTag || (kind === TAG.text && relation.columns[i]?.codec.kind === "other")) &&
        at + 5 <= end
      ) {
        const length =
          ((bytes[at + 1] as number) << 24) |
          ((bytes[at + 2] as number) << 16) |
          ((bytes[at + 3] as number) << 8) |
          (bytes[at + 4] as number);
        const start = at + 5;
        at = start + length;
        if (length < 0 || at > end) {
          reader.at = start;
          throw reader.error("a cell longer than its message");
        }
        cells[out] = start;
        cells[out + 1] = at;
      } else {
        if (kind !== TAG.null && kind !== TAG.unchanged) {
          reader.at = at;
          throw reader.error("a cell of another kind than asked for, or cut off");
        }
        cells[out] = kind === TAG.null ? NULL_CELL : UNCHANGED_CELL;
        at += 1;
      }
      out += 2;
    }
    batch.cellsUsed = out;
    reader.at = at;
    return image;
  }
}
