import type { CellCodec } from "../../../core/cell-codec.js";
import type { ResultValue } from "../../../core/output.js";
import type { Rows } from "../../../core/rows.js";
import type { BlockReader, BlockWriter } from "../../../state/block.js";
import type { Aggregate } from "./aggregate.js";
import { eachValue } from "./each-value.js";

/** The exact sum of the finite values, as doubles that do not overlap, and the others counted. */
interface ExactTotal {
  /** Their sum is the total; ordered by magnitude, none of them zero (Shewchuk 1997). */
  parts: number[];
  count: number;
  nan: number;
  positive: number;
  negative: number;
  /** Values that are -0, which alone sum to -0. */
  negativeZeros: number;
}

/**
 * `sum` and `avg` of real and double precision where rows may leave. Adding and subtracting doubles
 * drifts, and one huge value that came and went takes the others with it (manual, 36.12: 1e20, then
 * 1). So the total is kept exactly, as an expansion of doubles, and rounded once when it is asked
 * for: a value that leaves takes away exactly what it brought. PostgreSQL rounds after each
 * addition, in the order in which it happens to scan; the last digits can differ from one such
 * order.
 */
export class ExactFloatSum implements Aggregate {
  readonly sqlType: string;
  readonly bytesPerSlot = 8;
  readonly #isAverage: boolean;
  readonly #codec: CellCodec;
  readonly #isReal: boolean;
  readonly #totals = new Map<number, ExactTotal>();

  constructor(codec: CellCodec, isAverage: boolean) {
    this.#codec = codec;
    this.#isAverage = isAverage;
    this.#isReal = codec.typeName === "real";
    this.sqlType = this.#isReal && !isAverage ? "real" : "double precision";
  }

  get heldBytes(): number {
    return this.#totals.size * 160;
  }

  grow(): void {}

  clear(slot: number): void {
    this.#totals.delete(slot);
  }

  add(rows: Rows, slots: Int32Array, [column = -1]: readonly number[]): void {
    eachValue<number>({ rows, column, codec: this.#codec }, (k, decoded) => {
      const total = this.#totalOf(slots[k] as number);
      addTo(total, this.#isReal ? Math.fround(decoded) : decoded, rows.weight);
    });
  }

  merge(slot: number, from: this, fromSlot: number): void {
    const other = from.#totals.get(fromSlot);
    if (other === undefined) return;
    const total = this.#totalOf(slot);
    total.count += other.count;
    total.nan += other.nan;
    total.positive += other.positive;
    total.negative += other.negative;
    total.negativeZeros += other.negativeZeros;
    for (const part of other.parts) total.parts = grow(total.parts, part);
  }

  result(slot: number): ResultValue {
    const total = this.#totals.get(slot);
    if (total === undefined || total.count === 0) return null;
    const sum = roundedSum(total, this.#isAverage);
    if (this.#isAverage) return sum / total.count;
    return this.#isReal ? Math.fround(sum) : sum;
  }

  save(slot: number, out: BlockWriter): void {
    const total = this.#totals.get(slot) ?? newTotal();
    for (const number of [total.count, total.nan, total.positive, total.negative]) {
      out.integer(number);
    }
    out.integer(total.negativeZeros);
    out.integer(total.parts.length);
    for (const part of total.parts) out.double(part);
  }

  load(slot: number, from: BlockReader): void {
    const total = this.#totalOf(slot);
    total.count = from.integer();
    total.nan = from.integer();
    total.positive = from.integer();
    total.negative = from.integer();
    total.negativeZeros = from.integer();
    total.parts = Array.from({ length: from.integer() }, () => from.double());
  }

  #totalOf(slot: number): ExactTotal {
    const known = this.#totals.get(slot);
    if (known !== undefined) return known;
    const made = newTotal();
    this.#totals.set(slot, made);
    return made;
  }
}

function newTotal(): ExactTotal {
  return { parts: [], count: 0, nan: 0, positive: 0, negative: 0, negativeZeros: 0 };
}

function addTo(total: ExactTotal, value: number, weight: 1 | -1): void {
  total.count += weight;
  if (Number.isNaN(value)) total.nan += weight;
  else if (value === Number.POSITIVE_INFINITY) total.positive += weight;
  else if (value === Number.NEGATIVE_INFINITY) total.negative += weight;
  else if (Object.is(value, -0)) total.negativeZeros += weight;
  else if (value !== 0) total.parts = grow(total.parts, value * weight);
}

/** Adds a double to an expansion without losing a bit (Shewchuk's GROW-EXPANSION). */
function grow(parts: readonly number[], value: number): number[] {
  const grown: number[] = [];
  let carry = value;
  for (const part of parts) {
    const sum = carry + part;
    const virtual = sum - carry;
    const rest = carry - (sum - virtual) + (part - virtual);
    if (rest !== 0) grown.push(rest);
    carry = sum;
  }
  if (carry !== 0) grown.push(carry);
  return grown;
}

/** From the least part up, each addition but the last few is exact. */
function roundedSum(total: ExactTotal, isAverage: boolean): number {
  const { nan, positive, negative, parts, count, negativeZeros } = total;
  if (nan > 0 || (positive > 0 && negative > 0)) return Number.NaN;
  if (positive > 0) return Number.POSITIVE_INFINITY;
  if (negative > 0) return Number.NEGATIVE_INFINITY;
  if (parts.length === 0) return negativeZeros === count && !isAverage ? -0 : 0;
  return parts.reduce((sum, part) => sum + part);
}
