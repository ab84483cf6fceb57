import type { CatalogColumn } from "../../../core/catalog.js";
import type { CellCodec } from "../../../core/cell-codec.js";
import type { ResultValue } from "../../../core/output.js";
import type { Rows } from "../../../core/rows.js";
import type { BlockReader, BlockWriter } from "../../../state/block.js";
import type { Aggregate } from "./aggregate.js";
import { eachValue } from "./each-value.js";
import { type Ordering, resultOf } from "./ordering.js";

/**
 * `min` and `max` where rows never leave. Of equal values with different text (1.0 and 1.00) the
 * later one is kept, as numeric_smaller and numeric_larger do.
 */
export class Extreme implements Aggregate {
  readonly sqlType: string;
  readonly bytesPerSlot = 48;
  readonly #codec: CellCodec;
  readonly #ordering: Ordering<unknown>;
  /** 1 for max, -1 for min. */
  readonly #sign: number;
  readonly #values: unknown[] = [];

  constructor(column: CatalogColumn, ordering: Ordering<unknown>, which: "min" | "max") {
    this.#codec = column.codec;
    this.#ordering = ordering;
    this.#sign = which === "max" ? 1 : -1;
    this.sqlType = column.typeName;
  }

  grow(): void {}

  clear(slot: number): void {
    this.#values[slot] = undefined;
  }

  add(rows: Rows, slots: Int32Array, [column = -1]: readonly number[]): void {
    eachValue({ rows, column, codec: this.#codec }, (k, value) => {
      this.#offer(slots[k] as number, value);
    });
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
