import type { CellCodec, ScaledNumber } from "../../../core/cell-codec.js";
import { Numeric } from "../../../core/numeric.js";
import { divide } from "../../../core/numeric-division.js";
import type { ResultValue } from "../../../core/output.js";
import type { Rows } from "../../../core/rows.js";
import type { BlockReader, BlockWriter } from "../../../state/block.js";
import { type Aggregate, grown } from "./aggregate.js";

// Above this, the double is emptied into a bigint before it could lose a digit: a double of at
// most 2^52 plus a value of at most 15 digits stays below 2^53.
const SPILL = 2 ** 52;
const FAST_DIGITS = 10 ** 15;

/**
 * `sum` and `avg` of integers and numeric, exact to the last digit. The running sum of a slot is a
 * double that holds an integer, at the slot's decimal scale (the greatest scale seen, as
 * PostgreSQL prints it); what does not fit goes to a bigint beside it. NaN and infinities are
 * summed apart, because they never go away.
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
  readonly #special = new Map<number, Numeric>();

  constructor(codec: CellCodec, isAverage: boolean) {
    this.#codec = codec;
    this.#isAverage = isAverage;
    // sum(int2 | int4) is bigint; everything else exact is numeric (manual, 9.21).
    this.sqlType = codec.kind === "int" && !isAverage ? "bigint" : "numeric";
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
    this.#special.delete(slot);
  }

  add(rows: Rows, slots: Int32Array, column: number): void {
    const { batch, indices, count } = rows;
    const { cells, after } = batch;
    const codec = this.#codec;
    const scaled = this.#scaled;
    const sums = this.#sums;
    for (let k = 0; k < count; k++) {
      const i = indices[k] as number;
      const cell = (after[i] as number) + 2 * column;
      const start = cells[cell] as number;
      if (start < 0) continue;
      const slot = slots[k] as number;
      const bytes = batch.bytes[i] as Uint8Array;
      const end = cells[cell + 1] as number;
      (this.#counts[slot] as number)++;
      if (
        codec.readScaled?.(bytes, start, end, scaled) &&
        scaled.scale === this.#scales[slot] &&
        scaled.unscaled < FAST_DIGITS &&
        scaled.unscaled > -FAST_DIGITS
      ) {
        const sum = (sums[slot] as number) + scaled.unscaled;
        sums[slot] = sum;
        if (sum > SPILL || sum < -SPILL) this.#spill(slot);
      } else {
        this.#addSlowly(slot, codec.decode(bytes, start, end) as number | bigint | Numeric);
      }
    }
  }

  result(slot: number): ResultValue {
    const count = this.#counts[slot] as number;
    if (count === 0) return null;
    const sum = this.#special.get(slot) ?? this.#exact(slot);
    return this.#isAverage ? divide(sum, Numeric.of(count)) : sum;
  }

  save(slot: number, out: BlockWriter): void {
    out.integer(this.#counts[slot] as number);
    out.integer(this.#scales[slot] as number);
    out.double(this.#sums[slot] as number);
    out.text(this.#large.get(slot)?.toString() ?? "");
    out.text(this.#special.get(slot)?.toString() ?? "");
  }

  load(slot: number, from: BlockReader): void {
    this.#counts[slot] = from.integer();
    this.#scales[slot] = from.integer();
    this.#sums[slot] = from.double();
    const large = from.text();
    if (large !== "") this.#large.set(slot, BigInt(large));
    const special = from.text();
    if (special !== "") this.#special.set(slot, Numeric.parse(special));
  }

  #exact(slot: number): Numeric {
    const large = this.#large.get(slot) ?? 0n;
    return Numeric.of(large + BigInt(this.#sums[slot] as number), this.#scales[slot] as number);
  }

  #addSlowly(slot: number, value: number | bigint | Numeric): void {
    const numeric = value instanceof Numeric ? value : Numeric.of(value);
    if (!numeric.isFinite) {
      this.#special.set(slot, this.#special.get(slot)?.add(numeric) ?? numeric);
      return;
    }
    const sum = this.#exact(slot).add(numeric);
    this.#scales[slot] = sum.scale;
    this.#sums[slot] = 0;
    this.#large.set(slot, sum.unscaled);
    this.#settle(slot);
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
