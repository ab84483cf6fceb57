import type { CellCodec } from "../../../core/cell-codec.js";
import type { ResultValue } from "../../../core/output.js";
import type { Rows } from "../../../core/rows.js";
import type { BlockReader, BlockWriter } from "../../../state/block.js";
import type { Aggregate } from "./aggregate.js";
import { type Ordering, orderingOf, resultOf } from "./ordering.js";

/**
 * `min` and `max`. Of equal values with different text (1.0 and 1.00) the later one is kept, as
 * numeric_smaller and numeric_larger do.
 */
export class Extreme implements Aggregate {
  readonly sqlType: string;
  readonly bytesPerSlot = 48;
  readonly #codec: CellCodec;
  readonly #ordering: Ordering<unknown>;
  /** 1 for max, -1 for min. */
  readonly #sign: number;
  readonly #values: unknown[] = [];

  constructor(codec: CellCodec, sqlType: string, which: "min" | "max") {
    this.#codec = codec;
    this.#ordering = orderingOf(codec);
    this.#sign = which === "max" ? 1 : -1;
    this.sqlType = sqlType;
  }

  grow(): void {}

  clear(slot: number): void {
    this.#values[slot] = undefined;
  }

  add(rows: Rows, slots: Int32Array, column: number): void {
    const { batch, indices, images, count } = rows;
    for (let k = 0; k < count; k++) {
      const i = indices[k] as number;
      const cell = (images[k] as number) + 2 * column;
      const start = batch.cells[cell] as number;
      if (start < 0) continue;
      const end = batch.cells[cell + 1] as number;
      const value = this.#codec.decode(batch.bytes[i] as Uint8Array, start, end);
      this.#offer(slots[k] as number, value);
    }
  }

  merge(slot: number, from: this, fromSlot: number): void {
    const value = from.#values[fromSlot];
    if (value !== undefined) this.#offer(slot, value);
  }

  result(slot: number): ResultValue {
    return resultOf(this.#codec, this.#values[slot]);
  }

  save(slot: number, out: BlockWriter): void {
    const value = this.#values[slot];
    out.text(value === undefined ? "" : this.#ordering.format(value));
  }

  load(slot: number, from: BlockReader): void {
    const text = from.text();
    if (text !== "") this.#values[slot] = this.#ordering.parse(text);
  }

  #offer(slot: number, value: unknown): void {
    const current = this.#values[slot];
    if (current === undefined || this.#ordering.compare(value, current) * this.#sign >= 0) {
      this.#values[slot] = value;
    }
  }
}
