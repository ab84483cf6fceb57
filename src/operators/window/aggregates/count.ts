import type { Rows } from "../../../core/rows.js";
import type { BlockReader, BlockWriter } from "../../../state/block.js";
import { type Aggregate, grown } from "./aggregate.js";

/** `count(*)` without a column, otherwise `count(column)`: rows where it is not NULL. */
export class Count implements Aggregate {
  readonly sqlType = "bigint";
  readonly bytesPerSlot = 8;
  #counts: Float64Array = new Float64Array(0);

  grow(capacity: number): void {
    this.#counts = grown(this.#counts, new Float64Array(capacity));
  }

  clear(slot: number): void {
    this.#counts[slot] = 0;
  }

  add(rows: Rows, slots: Int32Array, [column = -1]: readonly number[]): void {
    const counts = this.#counts;
    const { batch, images, weight } = rows;
    const { cells } = batch;
    for (let k = 0; k < rows.count; k++) {
      if (column >= 0 && (cells[(images[k] as number) + 2 * column] as number) < 0) continue;
      (counts[slots[k] as number] as number) += weight;
    }
  }

  merge(slot: number, from: this, fromSlot: number): void {
    (this.#counts[slot] as number) += from.#counts[fromSlot] as number;
  }

  result(slot: number): number {
    return this.#counts[slot] as number;
  }

  save(slot: number, out: BlockWriter): void {
    out.integer(this.#counts[slot] as number);
  }

  load(slot: number, from: BlockReader): void {
    this.#counts[slot] = from.integer();
  }
}
