import type { CellCodec } from "../../../core/cell-codec.js";
import type { ResultValue } from "../../../core/output.js";
import type { Rows } from "../../../core/rows.js";
import type { BlockReader, BlockWriter } from "../../../state/block.js";
import type { Aggregate } from "./aggregate.js";
import { unknownValue } from "./bag-aggregate.js";
import { eachValue } from "./each-value.js";
import { toDouble } from "./ordered-values.js";

/** Approximate bytes of a bin in a map. */
const BYTES_PER_BIN = 48;
/** Least and greatest magnitudes that bins distinguish; below the least is zero. */
const LEAST = 2.3e-308;

/** What is wanted of a {@link QuantileSketch}. */
export interface QuantileWish {
  /** 0 to 1. */
  readonly fraction: number;
  /** Greatest relative error of the result, between 0 and 1. */
  readonly accuracy: number;
}

/**
 * DDSketch (Masson, Rim and Lee, 2019): values are counted in bins whose bounds grow by a constant
 * factor, so that the value at any rank is known to within a relative error. Bins are counters that
 * are never collapsed: values may leave again, and states merge. What a group holds depends on how
 * many orders of magnitude its values span, and not on how many there are: some 115 bins an order
 * at an accuracy of 0.01.
 *
 * Bins are numbered by signed logarithm; infinities and NaN have bins of their own.
 */
export class QuantileSketch implements Aggregate {
  readonly sqlType = "double precision";
  readonly bytesPerSlot = 8;
  readonly #codec: CellCodec;
  readonly #wish: QuantileWish;
  readonly #logGamma: number;
  readonly #bins = new Map<number, Map<string, Bin>>();
  #size = 0;

  constructor(codec: CellCodec, wish: QuantileWish) {
    this.#codec = codec;
    this.#wish = wish;
    this.#logGamma = Math.log((1 + wish.accuracy) / (1 - wish.accuracy));
  }

  get heldBytes(): number {
    return this.#size * BYTES_PER_BIN;
  }

  grow(): void {}

  clear(slot: number): void {
    this.#size -= this.#bins.get(slot)?.size ?? 0;
    this.#bins.delete(slot);
  }

  add(rows: Rows, slots: Int32Array, [column = -1]: readonly number[]): void {
    eachValue({ rows, column, codec: this.#codec }, (k, value) => {
      const bin = this.#binOf(toDouble(value, this.#codec));
      this.#count(slots[k] as number, bin, rows.weight);
    });
  }

  merge(slot: number, from: this, fromSlot: number): void {
    for (const bin of from.#bins.get(fromSlot)?.values() ?? []) this.#count(slot, bin, bin.count);
  }

  result(slot: number): ResultValue {
    const bins = [...(this.#bins.get(slot)?.values() ?? [])];
    if (bins.length === 0) return null;
    bins.sort((a, b) => a.sign - b.sign || (a.index - b.index) * a.sign);
    let left = Math.floor(this.#wish.fraction * (bins.reduce((n, { count }) => n + count, 0) - 1));
    for (const bin of bins) {
      left -= bin.count;
      if (left < 0) return this.#valueOf(bin);
    }
    return null;
  }

  save(slot: number, out: BlockWriter): void {
    const bins = this.#bins.get(slot);
    out.integer(bins?.size ?? 0);
    for (const { sign, index, count } of bins?.values() ?? []) {
      out.double(sign);
      out.double(index);
      out.integer(count);
    }
  }

  load(slot: number, from: BlockReader): void {
    for (let left = from.integer(); left > 0; left--) {
      const [sign, index] = [from.double(), from.double()];
      this.#count(slot, { sign, index }, from.integer());
    }
  }

  #binOf(value: number): Omit<Bin, "count"> {
    if (Number.isNaN(value)) return { sign: 2, index: 0 };
    const magnitude = Math.abs(value);
    if (magnitude < LEAST) return { sign: 0, index: 0 };
    return { sign: Math.sign(value), index: Math.ceil(Math.log(magnitude) / this.#logGamma) };
  }

  /** The value of which all values of the bin are within the accuracy. */
  #valueOf({ sign, index }: Bin): number {
    if (sign === 2) return Number.NaN;
    if (sign === 0) return 0;
    if (!Number.isFinite(index)) return sign * index;
    const value = Math.exp(index * this.#logGamma) * (1 - this.#wish.accuracy);
    return sign * Math.min(value, Number.MAX_VALUE);
  }

  #count(slot: number, { sign, index }: Omit<Bin, "count">, more: number): void {
    let bins = this.#bins.get(slot);
    if (bins === undefined) {
      bins = new Map();
      this.#bins.set(slot, bins);
    }
    const name = `${sign} ${index}`;
    const known = bins.get(name);
    const count = (known?.count ?? 0) + more;
    if (count < 0) throw unknownValue();
    if (count > 0) bins.set(name, { sign, index, count });
    else bins.delete(name);
    this.#size += Number(count > 0) - Number(known !== undefined);
  }
}

interface Bin {
  /** -1, 0 and 1; 2 is NaN, which is greater than everything. */
  readonly sign: number;
  readonly index: number;
  readonly count: number;
}
