import { TidemarkError } from "../../../core/errors.js";
import type { ResultValue } from "../../../core/output.js";
import type { Rows } from "../../../core/rows.js";
import type { BlockReader, BlockWriter } from "../../../state/block.js";
import type { Aggregate } from "./aggregate.js";
import { SortedBag } from "./sorted-bag.js";

/** What makes a {@link BagAggregate} an aggregate. */
export interface BagParts<T> {
  readonly sqlType: string;
  /** What row `k` brings; undefined when it does not count. */
  read(rows: Rows, k: number, columns: readonly number[]): T | undefined;
  /** A total order: only values that are the same compare as 0. */
  compare(a: T, b: T): number;
  save(value: T, out: BlockWriter): void;
  load(from: BlockReader): T;
  /** Approximate bytes of a value beside its place in the bag. */
  readonly bytesPerValue: number;
  /** Values of a group that can ever be asked for, where rows never leave; Infinity keeps all. */
  readonly maxKept: number;
  /** The result of a group that has had a row; the bag may be empty. */
  finish(bag: SortedBag<T>): ResultValue;
}

/** Bytes of a value's place in a bag: two array elements with their slack. */
const PLACE_BYTES = 24;
const BAG_BYTES = 320;

/**
 * Aggregates whose answer follows from the group's values in an order: min and max where rows may
 * leave, percentiles, first and last, lists. All values of a group are kept, each different one
 * once, or the first `maxKept` of them where rows never leave.
 */
export class BagAggregate<T> implements Aggregate {
  readonly sqlType: string;
  readonly bytesPerSlot = 8;
  readonly #parts: BagParts<T>;
  readonly #bags = new Map<number, SortedBag<T>>();
  #values = 0;

  constructor(parts: BagParts<T>) {
    this.#parts = parts;
    this.sqlType = parts.sqlType;
  }

  get heldBytes(): number {
    return this.#values * (PLACE_BYTES + this.#parts.bytesPerValue) + this.#bags.size * BAG_BYTES;
  }

  grow(): void {}

  clear(slot: number): void {
    this.#values -= this.#bags.get(slot)?.size ?? 0;
    this.#bags.delete(slot);
  }

  add(rows: Rows, slots: Int32Array, columns: readonly number[]): void {
    for (let k = 0; k < rows.count; k++) {
      const value = this.#parts.read(rows, k, columns);
      if (value === undefined) continue;
      const slot = slots[k] as number;
      if (rows.weight > 0) this.#put(slot, value, 1);
      else this.#take(slot, value);
    }
  }

  merge(slot: number, from: this, fromSlot: number): void {
    const other = from.#bags.get(fromSlot);
    if (other === undefined) return;
    for (const [value, count] of other.entries()) this.#put(slot, value, count);
  }

  result(slot: number): ResultValue {
    return this.#parts.finish(this.#bags.get(slot) ?? new SortedBag<T>(this.#parts.compare));
  }

  save(slot: number, out: BlockWriter): void {
    const bag = this.#bags.get(slot);
    out.integer(bag?.size ?? 0);
    for (const [value, count] of bag?.entries() ?? []) {
      this.#parts.save(value, out);
      out.integer(count);
    }
  }

  load(slot: number, from: BlockReader): void {
    for (let left = from.integer(); left > 0; left--) {
      const value = this.#parts.load(from);
      this.#put(slot, value, from.integer());
    }
  }

  #put(slot: number, value: T, count: number): void {
    let bag = this.#bags.get(slot);
    if (bag === undefined) {
      bag = new SortedBag(this.#parts.compare);
      this.#bags.set(slot, bag);
    }
    const before = bag.size;
    bag.add(value, count);
    while (bag.total > this.#parts.maxKept) bag.removeLast();
    this.#values += bag.size - before;
  }

  #take(slot: number, value: T): void {
    const bag = this.#bags.get(slot);
    const before = bag?.size ?? 0;
    if (bag?.remove(value) !== true) throw unknownValue();
    this.#values += bag.size - before;
  }
}

/** UNKNOWN_ROW: what leaves a group was never in it. */
export function unknownValue(): TidemarkError {
  return new TidemarkError(
    "UNKNOWN_ROW",
    "A row left a window with a value that never came in. Its filter must give the same answer " +
      "for the same row, and the publication must send inserts, updates and deletes; then run " +
      "with --reset.",
  );
}
