import type { CellCodec } from "../../../core/cell-codec.js";
import { TidemarkError } from "../../../core/errors.js";
import type { ResultValue } from "../../../core/output.js";
import type { Rows } from "../../../core/rows.js";
import type { BlockReader, BlockWriter } from "../../../state/block.js";
import type { Aggregate } from "./aggregate.js";
import { type Ordering, orderingOf, resultOf } from "./ordering.js";
import { ValueBag } from "./value-bag.js";

/** Approximate bytes of a value with its text, count and place in the order. */
const BYTES_PER_VALUE = 160;

/**
 * `min` and `max` where rows may leave: all values of a group are kept, each different one once.
 * Of equal values with different text (1.0 and 1.00) any may be the result; PostgreSQL takes the
 * one it happens to scan last.
 */
export class BaggedExtreme implements Aggregate {
  readonly sqlType: string;
  readonly bytesPerSlot = 8;
  readonly #codec: CellCodec;
  readonly #ordering: Ordering<unknown>;
  readonly #comesFirst: (a: unknown, b: unknown) => boolean;
  readonly #bags = new Map<number, ValueBag<unknown>>();
  #values = 0;

  constructor(codec: CellCodec, sqlType: string, which: "min" | "max") {
    this.#codec = codec;
    const ordering = orderingOf(codec);
    this.#ordering = ordering;
    const sign = which === "max" ? -1 : 1;
    this.#comesFirst = (a, b) => ordering.compare(a, b) * sign < 0;
    this.sqlType = sqlType;
  }

  get heldBytes(): number {
    return this.#values * BYTES_PER_VALUE;
  }

  grow(): void {}

  clear(slot: number): void {
    this.#values -= this.#bags.get(slot)?.size ?? 0;
    this.#bags.delete(slot);
  }

  add(rows: Rows, slots: Int32Array, column: number): void {
    const { batch, indices, images, count, weight } = rows;
    for (let k = 0; k < count; k++) {
      const cell = (images[k] as number) + 2 * column;
      const start = batch.cells[cell] as number;
      if (start < 0) continue;
      const bytes = batch.bytes[indices[k] as number] as Uint8Array;
      const value = this.#codec.decode(bytes, start, batch.cells[cell + 1] as number);
      this.#change(slots[k] as number, value, weight);
    }
  }

  merge(slot: number, from: this, fromSlot: number): void {
    const other = from.#bags.get(fromSlot);
    if (other === undefined) return;
    const bag = this.#bagOf(slot);
    const before = bag.size;
    for (const { value, text, count } of other.entries) bag.add(value, text, count);
    this.#values += bag.size - before;
  }

  result(slot: number): ResultValue {
    return resultOf(this.#codec, this.#bags.get(slot)?.first());
  }

  save(slot: number, out: BlockWriter): void {
    const bag = this.#bags.get(slot);
    out.integer(bag?.size ?? 0);
    for (const { text, count } of bag?.entries ?? []) {
      out.text(text);
      out.integer(count);
    }
  }

  load(slot: number, from: BlockReader): void {
    for (let left = from.integer(); left > 0; left--) {
      const text = from.text();
      this.#bagOf(slot).add(this.#ordering.parse(text), text, from.integer());
      this.#values++;
    }
  }

  #change(slot: number, value: unknown, weight: 1 | -1): void {
    const bag = this.#bagOf(slot);
    const text = this.#ordering.format(value);
    const before = bag.size;
    if (weight > 0) bag.add(value, text, 1);
    else if (!bag.remove(text)) throw unknownValue();
    this.#values += bag.size - before;
  }

  #bagOf(slot: number): ValueBag<unknown> {
    let bag = this.#bags.get(slot);
    if (bag === undefined) {
      bag = new ValueBag(this.#comesFirst);
      this.#bags.set(slot, bag);
    }
    return bag;
  }
}

function unknownValue(): TidemarkError {
  return new TidemarkError(
    "UNKNOWN_ROW",
    "A row left a window with a value that never came in. Its filter must give the same answer " +
      "for the same row, and the publication must send inserts, updates and deletes; then run " +
      "with --reset.",
  );
}
