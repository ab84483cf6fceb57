import type { CellCodec } from "../../../core/cell-codec.js";
import type { ResultValue } from "../../../core/output.js";
import type { Rows } from "../../../core/rows.js";
import type { BlockReader, BlockWriter } from "../../../state/block.js";
import { type Aggregate, grown } from "./aggregate.js";
import { eachValue } from "./each-value.js";

/**
 * `sum` and `avg` of real and double precision: plain addition in commit order, which is what
 * PostgreSQL does in the order it scans. `sum(real)` adds in single precision there, so here too.
 */
export class FloatSum implements Aggregate {
  readonly sqlType: string;
  readonly bytesPerSlot = 16;
  readonly #isAverage: boolean;
  readonly #codec: CellCodec;
  readonly #isReal: boolean;
  readonly #isSingle: boolean;
  #sums: Float64Array = new Float64Array(0);
  #counts: Float64Array = new Float64Array(0);

  constructor(codec: CellCodec, isAverage: boolean) {
    this.#codec = codec;
    this.#isAverage = isAverage;
    this.#isReal = codec.typeName === "real";
    this.#isSingle = this.#isReal && !isAverage;
    this.sqlType = this.#isSingle ? "real" : "double precision";
  }

  grow(capacity: number): void {
    this.#sums = grown(this.#sums, new Float64Array(capacity));
    this.#counts = grown(this.#counts, new Float64Array(capacity));
  }

  clear(slot: number): void {
    this.#sums[slot] = 0;
    this.#counts[slot] = 0;
  }

  add(rows: Rows, slots: Int32Array, [column = -1]: readonly number[]): void {
    eachValue<number>({ rows, column, codec: this.#codec }, (k, decoded) => {
      // The text of a real is its shortest; what PostgreSQL adds is the single behind it.
      const value = this.#isReal ? Math.fround(decoded) : decoded;
      this.#put(slots[k] as number, value, 1);
    });
  }

  /** Adds the other's sum as if it were a value, so that the last digits may differ. */
  merge(slot: number, from: this, fromSlot: number): void {
    const count = from.#counts[fromSlot] as number;
    if (count > 0) this.#put(slot, from.#sums[fromSlot] as number, count);
  }

  result(slot: number): ResultValue {
    const count = this.#counts[slot] as number;
    if (count === 0) return null;
    const sum = this.#sums[slot] as number;
    return this.#isAverage ? sum / count : sum;
  }

  save(slot: number, out: BlockWriter): void {
    out.integer(this.#counts[slot] as number);
    out.double(this.#sums[slot] as number);
  }

  load(slot: number, from: BlockReader): void {
    this.#counts[slot] = from.integer();
    this.#sums[slot] = from.double();
  }

  /** Adds a value, or the sum of `count` of them. */
  #put(slot: number, value: number, count: number): void {
    // sum() begins with its first value, which may be -0; avg() begins with 0 (float.c).
    const isStart = this.#counts[slot] === 0 && !this.#isAverage;
    const sum = isStart ? value : (this.#sums[slot] as number) + value;
    this.#sums[slot] = this.#isSingle ? Math.fround(sum) : sum;
    (this.#counts[slot] as number) += count;
  }
}
