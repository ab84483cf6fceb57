import type { CellCodec, ScaledNumber } from "../../../core/cell-codec.js";
import { Numeric, powerOfTen } from "../../../core/numeric.js";
import { divide } from "../../../core/numeric-division.js";
import type { ResultValue } from "../../../core/output.js";
import type { Rows } from "../../../core/rows.js";
import type { BlockReader, BlockWriter } from "../../../state/block.js";
import { type Aggregate, grown } from "./aggregate.js";
import { ScaleCounts } from "./scale-counts.js";

// Above this, the double is emptied into a bigint before it could lose a digit: a double of at
// most 2^52 plus a value of at most 15 digits stays below 2^53.
const SPILL = 2 ** 52;
const FAST_DIGITS = 10 ** 15;

/** How often each value that is no number is in a sum. */
interface Specials {
  nan: number;
  positive: number;
  negative: number;
}

/**
 * `sum` and `avg` of integers and numeric, exact to the last digit. The running sum of a slot is a
 * double that holds an integer, at the slot's decimal scale; what does not fit goes to a bigint
 * beside it. NaN and infinities are counted apart, so that they can leave again.
 *
 * PostgreSQL prints a sum with the greatest scale of what was added. Where rows may leave and the
 * column's type does not fix the scale, how often each scale occurs is therefore kept too.
 */
export class ExactSum implements Aggregate {
  readonly sqlType: string;
  readonly bytesPerSlot = 18;
  readonly #isAverage: boolean;
  readonly #codec: CellCodec;
  readonly #scaled: ScaledNumber = { unscaled: 0, scale: 0 };
  #sums: Float64Array = new Float64Array(0);
  #counts: Float64Array = new Float64Array(0);
  #scales: Uint16Array = new Uint16Array(0);
  readonly #large = new Map<number, bigint>();
  readonly #specials = new Map<number, Specials>();
  readonly #scaleCounts: ScaleCounts | null;

  constructor(codec: CellCodec, isAverage: boolean, hasScaleCounts = false) {
    this.#codec = codec;
    this.#isAverage = isAverage;
    this.#scaleCounts = hasScaleCounts ? new ScaleCounts() : null;
    // sum(int2 | int4) is bigint; everything else exact is numeric (manual, 9.21).
    this.sqlType = codec.kind === "int" && !isAverage ? "bigint" : "numeric";
  }

  get heldBytes(): number {
    return (this.#large.size + this.#specials.size) * 64 + (this.#scaleCounts?.bytes ?? 0);
  }

  grow(capacity: number): void {
    this.#sums = grown(this.#sums, new Float64Array(capacity));
    this.#counts = grown(this.#counts, new Float64Array(capacity));
    this.#scales = grown(this.#scales, new Uint16Array(capacity));
  }

  clear(slot: number): void {
    this.#sums[slot] = 0;
    this.#counts[slot] = 0;
    this.#scales[slot] = 0;
    this.#large.delete(slot);
    this.#specials.delete(slot);
    this.#scaleCounts?.clear(slot);
  }

  add(rows: Rows, slots: Int32Array, [column = -1]: readonly number[]): void {
    const { batch, indices, images, count, weight } = rows;
    const { cells } = batch;
    const codec = this.#codec;
    const scaled = this.#scaled;
    const sums = this.#sums;
    for (let k = 0; k < count; k++) {
      const i = indices[k] as number;
      const cell = (images[k] as number) + 2 * column;
      const start = cells[cell] as number;
      if (start < 0) continue;
      const slot = slots[k] as number;
      const bytes = batch.bytes[i] as Uint8Array;
      const end = cells[cell + 1] as number;
      (this.#counts[slot] as number) += weight;
      if (
        codec.readScaled?.(bytes, start, end, scaled) &&
        scaled.scale === this.#scales[slot] &&
        scaled.unscaled < FAST_DIGITS &&
        scaled.unscaled > -FAST_DIGITS
      ) {
        const sum = (sums[slot] as number) + scaled.unscaled * weight;
        sums[slot] = sum;
        if (sum > SPILL || sum < -SPILL) this.#spill(slot);
        this.#scaleCounts?.add(slot, scaled.scale, weight);
      } else {
        const value = codec.decode(bytes, start, end) as number | bigint | Numeric;
        this.#addSlowly(slot, value instanceof Numeric ? value : Numeric.of(value), weight);
      }
    }
  }

  merge(slot: number, from: this, fromSlot: number): void {
    const count = from.#counts[fromSlot] as number;
    const specials = from.#specials.get(fromSlot);
    if (count === 0 && specials === undefined) return;
    (this.#counts[slot] as number) += count;
    if (specials !== undefined) this.#addSpecials(slot, specials);
    if (from.#scaleCounts !== null) this.#scaleCounts?.merge(slot, from.#scaleCounts, fromSlot);
    if (!this.#addFast(slot, from, fromSlot)) this.#addFinite(slot, from.#finite(fromSlot));
  }

  result(slot: number): ResultValue {
    const count = this.#counts[slot] as number;
    if (count === 0) return null;
    const sum = this.#special(slot) ?? this.#exact(slot);
    return this.#isAverage ? divide(sum, Numeric.of(count)) : sum;
  }

  save(slot: number, out: BlockWriter): void {
    const specials = this.#specials.get(slot);
    out.integer(this.#counts[slot] as number);
    out.integer(this.#scales[slot] as number);
    out.double(this.#sums[slot] as number);
    out.text(this.#large.get(slot)?.toString() ?? "");
    out.integer(specials?.nan ?? 0);
    out.integer(specials?.positive ?? 0);
    out.integer(specials?.negative ?? 0);
    this.#scaleCounts?.save(slot, out);
  }

  load(slot: number, from: BlockReader): void {
    this.#counts[slot] = from.integer();
    this.#scales[slot] = from.integer();
    this.#sums[slot] = from.double();
    const large = from.text();
    if (large !== "") this.#large.set(slot, BigInt(large));
    const specials = {
      nan: from.integer(),
      positive: from.integer(),
      negative: from.integer(),
    };
    if (specials.nan + specials.positive + specials.negative > 0) {
      this.#specials.set(slot, specials);
    }
    this.#scaleCounts?.load(slot, from);
  }

  /** NaN or an infinity, if one of them is what the sum comes to. */
  #special(slot: number): Numeric | null {
    const specials = this.#specials.get(slot);
    if (specials === undefined) return null;
    const { nan, positive, negative } = specials;
    if (nan > 0 || (positive > 0 && negative > 0)) return Numeric.NaN;
    return positive > 0 ? Numeric.Infinity : Numeric.NegativeInfinity;
  }

  #exact(slot: number): Numeric {
    const sum = this.#finite(slot);
    if (this.#scaleCounts === null) return sum;
    const { unscaled, scale } = sum;
    // The digits beyond the greatest scale that is left belong to values that left: all are zero.
    const greatest = this.#scaleCounts.greatest(slot);
    return Numeric.of(unscaled / powerOfTen(scale - greatest), greatest);
  }

  #addSlowly(slot: number, value: Numeric, weight: 1 | -1): void {
    if (!value.isFinite) {
      this.#countSpecial(slot, value, weight);
      return;
    }
    this.#scaleCounts?.add(slot, value.scale, weight);
    this.#addFinite(slot, weight > 0 ? value : value.negate());
  }

  /** Adds the other's sum where both are doubles of one scale; false where they are not. */
  #addFast(slot: number, from: this, fromSlot: number): boolean {
    if (this.#large.has(slot) || from.#large.has(fromSlot)) return false;
    if (this.#sums[slot] === 0 && this.#scaleCounts === null) {
      this.#scales[slot] = Math.max(this.#scales[slot] as number, from.#scales[fromSlot] as number);
    }
    if (this.#scales[slot] !== from.#scales[fromSlot]) return false;
    const sum = (this.#sums[slot] as number) + (from.#sums[fromSlot] as number);
    this.#sums[slot] = sum;
    if (sum > SPILL || sum < -SPILL) this.#spill(slot);
    return true;
  }

  /** The sum of all finite values, at the greatest scale there ever was. */
  #finite(slot: number): Numeric {
    const sum = (this.#large.get(slot) ?? 0n) + BigInt(this.#sums[slot] as number);
    return Numeric.of(sum, this.#scales[slot] as number);
  }

  #addFinite(slot: number, value: Numeric): void {
    const sum = this.#finite(slot).add(value);
    this.#scales[slot] = sum.scale;
    this.#sums[slot] = 0;
    this.#large.set(slot, sum.unscaled);
    this.#settle(slot);
  }

  #countSpecial(slot: number, value: Numeric, weight: 1 | -1): void {
    const isPositive = !value.isNaN && value.sign > 0;
    const isNegative = !value.isNaN && !isPositive;
    this.#addSpecials(slot, {
      nan: value.isNaN ? weight : 0,
      positive: isPositive ? weight : 0,
      negative: isNegative ? weight : 0,
    });
  }

  #addSpecials(slot: number, more: Specials): void {
    const specials = this.#specials.get(slot) ?? { nan: 0, positive: 0, negative: 0 };
    specials.nan += more.nan;
    specials.positive += more.positive;
    specials.negative += more.negative;
    const { nan, positive, negative } = specials;
    if (nan + positive + negative > 0) this.#specials.set(slot, specials);
    else this.#specials.delete(slot);
  }

  #spill(slot: number): void {
    const sum = BigInt(this.#sums[slot] as number);
    this.#sums[slot] = 0;
    this.#large.set(slot, (this.#large.get(slot) ?? 0n) + sum);
  }

  /** Moves a sum that fits back from the bigint into the double. */
  #settle(slot: number): void {
    const sum = this.#large.get(slot);
    if (sum === undefined || sum > SPILL || sum < -SPILL) return;
    this.#large.delete(slot);
    this.#sums[slot] = Number(sum);
  }
}
