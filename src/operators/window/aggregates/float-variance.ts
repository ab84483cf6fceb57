import type { CellCodec } from "../../../core/cell-codec.js";
import type { ResultValue } from "../../../core/output.js";
import type { Rows } from "../../../core/rows.js";
import type { BlockReader, BlockWriter } from "../../../state/block.js";
import { type Aggregate, grown } from "./aggregate.js";
import { eachValue } from "./each-value.js";
import { divisorOf, type Spread } from "./moments.js";
import { toDouble } from "./ordered-values.js";

/**
 * Variance and standard deviation of real and double precision where rows never leave: Youngs and
 * Cramer's sums in commit order, which is what float.c computes in the order it scans, and its
 * combination of two such states where states merge.
 */
export class FloatVariance implements Aggregate {
  readonly sqlType = "double precision";
  readonly bytesPerSlot = 24;
  readonly #codec: CellCodec;
  readonly #spread: Spread;
  #counts: Float64Array = new Float64Array(0);
  #sums: Float64Array = new Float64Array(0);
  /** Σ (x - mean)². */
  #squares: Float64Array = new Float64Array(0);

  constructor(codec: CellCodec, spread: Spread) {
    this.#codec = codec;
    this.#spread = spread;
  }

  grow(capacity: number): void {
    this.#counts = grown(this.#counts, new Float64Array(capacity));
    this.#sums = grown(this.#sums, new Float64Array(capacity));
    this.#squares = grown(this.#squares, new Float64Array(capacity));
  }

  clear(slot: number): void {
    this.#counts[slot] = 0;
    this.#sums[slot] = 0;
    this.#squares[slot] = 0;
  }

  add(rows: Rows, slots: Int32Array, [column = -1]: readonly number[]): void {
    eachValue<number>({ rows, column, codec: this.#codec }, (k, decoded) => {
      const slot = slots[k] as number;
      const value = toDouble(decoded, this.#codec);
      const before = this.#counts[slot] as number;
      const count = before + 1;
      const sum = (this.#sums[slot] as number) + value;
      this.#counts[slot] = count;
      this.#sums[slot] = sum;
      if (!Number.isFinite(value)) {
        this.#squares[slot] = Number.NaN;
      } else if (before > 0) {
        const rest = value * count - sum;
        (this.#squares[slot] as number) += (rest * rest) / (count * before);
      }
    });
  }

  merge(slot: number, from: this, fromSlot: number): void {
    const [n1, n2] = [this.#counts[slot] as number, from.#counts[fromSlot] as number];
    if (n2 === 0) return;
    const [s1, s2] = [this.#sums[slot] as number, from.#sums[fromSlot] as number];
    const squares = from.#squares[fromSlot] as number;
    this.#counts[slot] = n1 + n2;
    this.#sums[slot] = s1 + s2;
    if (n1 === 0) {
      this.#squares[slot] = squares;
      return;
    }
    const rest = s1 / n1 - s2 / n2;
    (this.#squares[slot] as number) += squares + (n1 * n2 * rest * rest) / (n1 + n2);
  }

  result(slot: number): ResultValue {
    const divisor = divisorOf(this.#spread, this.#counts[slot] as number);
    if (divisor === null) return null;
    const variance = (this.#squares[slot] as number) / divisor;
    return this.#spread.isRoot ? Math.sqrt(variance) : variance;
  }

  save(slot: number, out: BlockWriter): void {
    out.integer(this.#counts[slot] as number);
    out.double(this.#sums[slot] as number);
    out.double(this.#squares[slot] as number);
  }

  load(slot: number, from: BlockReader): void {
    this.#counts[slot] = from.integer();
    this.#sums[slot] = from.double();
    this.#squares[slot] = from.double();
  }
}
