import { Batch, NO_IMAGE, NULL_CELL, Op } from "../../core/batch.js";
import { TidemarkError } from "../../core/errors.js";
import type { Relation } from "../../core/relation.js";

// COPY's text format (manual, COPY, "Text Format"): a row ends with a newline, cells are separated
// by tabs, NULL is \N, and a control character or backslash within a cell is a backslash and a
// letter. A newline or tab is therefore never part of a cell.

const NEWLINE = 0x0a;
const TAB = 0x09;
const BACKSLASH = 0x5c;
const UPPER_N = 0x4e;
const FIRST_HOLD = 1 << 16;

/** The letters after a backslash that stand for another byte; any other stands for itself. */
const ESCAPES: ReadonlyMap<number, number> = new Map(
  Object.entries({ b: 8, t: 9, n: 10, v: 11, f: 12, r: 13 }).map(([letter, byte]) => [
    letter.charCodeAt(0),
    byte,
  ]),
);

/**
 * Cuts what COPY TO STDOUT sends into the rows of a batch, wherever the reads split it. Cells stay
 * in the bytes they arrived in; escapes are resolved there, since what they stand for is shorter.
 */
export class CopyRows {
  readonly #relation: Relation;
  /** The beginning of a row whose end has not arrived. */
  #held: Uint8Array = new Uint8Array();
  #heldBytes = 0;

  constructor(relation: Relation) {
    this.#relation = relation;
  }

  /** Takes the next read and writes over it; the batch has the rows that are whole by now. */
  feed(bytes: Uint8Array): Batch {
    const batch = new Batch();
    let at = 0;
    if (this.#heldBytes > 0) {
      const newline = bytes.indexOf(NEWLINE);
      at = newline < 0 ? bytes.length : newline + 1;
      this.#hold(bytes, 0, at);
      if (newline < 0) return batch;
      const row = this.#held.subarray(0, this.#heldBytes);
      this.#held = new Uint8Array();
      this.#heldBytes = 0;
      this.#addRow(batch, row, 0);
    }
    const end = bytes.lastIndexOf(NEWLINE) + 1;
    while (at < end) at = this.#addRow(batch, bytes, at);
    if (at < bytes.length) this.#hold(bytes, at, bytes.length);
    return batch;
  }

  /** All has arrived; throws PROTOCOL in the middle of a row. */
  finish(): void {
    if (this.#heldBytes > 0) throw this.#error("it ends in the middle of a row");
  }

  /** Adds the row at `at` and returns where it ends. */
  #addRow(batch: Batch, bytes: Uint8Array, at: number): number {
    const count = this.#relation.columns.length;
    const cells = batch.reserveCells(count);
    const image = batch.cellsUsed;
    let cell = image;
    let start = at;
    let hasEscape = false;
    for (let i = at; ; i++) {
      const byte = bytes[i] as number;
      if (byte === BACKSLASH) {
        hasEscape = true;
        i++;
        continue;
      }
      if (byte !== TAB && byte !== NEWLINE) continue;
      if (cell === image + 2 * count) throw this.#error("a row has more cells than columns");
      if (!hasEscape) {
        cells[cell] = start;
        cells[cell + 1] = i;
      } else if (i === start + 2 && bytes[start + 1] === UPPER_N) {
        cells[cell] = NULL_CELL;
      } else {
        cells[cell] = start;
        cells[cell + 1] = resolveEscapes(bytes, start, i);
      }
      cell += 2;
      start = i + 1;
      hasEscape = false;
      if (byte === NEWLINE) break;
    }
    if (cell < image + 2 * count) throw this.#error("a row has fewer cells than columns");
    batch.cellsUsed = cell;
    batch.push(Op.insert, this.#relation, bytes, image, NO_IMAGE);
    return start;
  }

  #hold(bytes: Uint8Array, from: number, to: number): void {
    const needed = this.#heldBytes + to - from;
    if (needed > this.#held.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(FIRST_HOLD, needed, this.#held.length * 2));
      larger.set(this.#held.subarray(0, this.#heldBytes));
      this.#held = larger;
    }
    this.#held.set(bytes.subarray(from, to), this.#heldBytes);
    this.#heldBytes = needed;
  }

  #error(problem: string): TidemarkError {
    const { qualifiedName } = this.#relation;
    return new TidemarkError(
      "PROTOCOL",
      `The copy of ${qualifiedName} cannot be read: ${problem}. Nothing of it was kept; it is ` +
        "begun anew at the next start.",
      { detail: { table: qualifiedName } },
    );
  }
}

/** Resolves the escapes in `bytes[start, end)` in place; returns the new end. */
function resolveEscapes(bytes: Uint8Array, start: number, end: number): number {
  let to = start;
  for (let i = start; i < end; i++) {
    let byte = bytes[i] as number;
    if (byte === BACKSLASH) {
      i++;
      byte = bytes[i] as number;
      byte = ESCAPES.get(byte) ?? byte;
    }
    bytes[to++] = byte;
  }
  return to;
}
