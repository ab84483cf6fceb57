import type { CellCodec } from "../../../core/cell-codec.js";
import { Numeric, powerOfTen } from "../../../core/numeric.js";
import { divide } from "../../../core/numeric-division.js";
import { squareRoot } from "../../../core/numeric-root.js";
import type { ResultValue } from "../../../core/output.js";
import type { Rows } from "../../../core/rows.js";
import type { BlockReader, BlockWriter } from "../../../state/block.js";
import type { Aggregate } from "./aggregate.js";
import { eachValue } from "./each-value.js";
import { divisorOf, type Spread } from "./moments.js";
import { ScaleCounts } from "./scale-counts.js";

/** The finite values of a group, exact. */
interface Moments {
  count: number;
  /** Sum of the values times 10^scale, and of their squares times 10^(2 scale). */
  sum: bigint;
  squares: bigint;
  scale: number;
  /** NaN and infinities: with any of them the result is NaN. */
  specials: number;
}

const ZERO = Numeric.of(0);

/**
 * Variance and standard deviation of integers and numeric as numeric.c computes them: from exact
 * sums, (N Σx² - (Σx)²) / (N (N - 1)), divided and rooted with PostgreSQL's scale and rounding.
 */
export class ExactVariance implements Aggregate {
  readonly sqlType = "numeric";
  readonly bytesPerSlot = 8;
  readonly #codec: CellCodec;
  readonly #spread: Spread;
  readonly #moments = new Map<number, Moments>();
  /** Only where values leave: the greatest scale can then become smaller. */
  readonly #scaleCounts: ScaleCounts | null;

  constructor(codec: CellCodec, spread: Spread, hasScaleCounts: boolean) {
    this.#codec = codec;
    this.#spread = spread;
    this.#scaleCounts = hasScaleCounts ? new ScaleCounts() : null;
  }

  get heldBytes(): number {
    return this.#moments.size * 200 + (this.#scaleCounts?.bytes ?? 0);
  }

  grow(): void {}

  clear(slot: number): void {
    this.#moments.delete(slot);
    this.#scaleCounts?.clear(slot);
  }

  add(rows: Rows, slots: Int32Array, [column = -1]: readonly number[]): void {
    const { weight } = rows;
    eachValue<number | bigint | Numeric>({ rows, column, codec: this.#codec }, (k, value) => {
      const slot = slots[k] as number;
      const number = value instanceof Numeric ? value : Numeric.of(value);
      const moments = this.#momentsOf(slot);
      if (!number.isFinite) {
        moments.specials += weight;
        return;
      }
      const { unscaled, scale } = number;
      this.#scaleCounts?.add(slot, scale, weight);
      const squares = unscaled * unscaled;
      const isNew = weight > 0;
      addTo(moments, {
        count: weight,
        sum: isNew ? unscaled : -unscaled,
        squares: isNew ? squares : -squares,
        scale,
        specials: 0,
      });
    });
  }

  merge(slot: number, from: this, fromSlot: number): void {
    const other = from.#moments.get(fromSlot);
    if (other === undefined) return;
    addTo(this.#momentsOf(slot), other);
    if (from.#scaleCounts !== null) this.#scaleCounts?.merge(slot, from.#scaleCounts, fromSlot);
  }

  result(slot: number): ResultValue {
    const moments = this.#moments.get(slot);
    if (moments === undefined) return null;
    const { count, specials } = moments;
    if (divisorOf(this.#spread, count + specials) === null) return null;
    if (specials > 0) return Numeric.NaN;
    const scale = this.#scaleCounts?.greatest(slot) ?? moments.scale;
    // The digits beyond belong to values that left: all are zero.
    const surplus = powerOfTen(moments.scale - scale);
    const sum = moments.sum / surplus;
    const squares = moments.squares / (surplus * surplus);
    const numerator = BigInt(count) * squares - sum * sum;
    if (numerator <= 0n) return ZERO;
    const divisor = BigInt(count) * BigInt(this.#spread.isSample ? count - 1 : count);
    const variance = divide(Numeric.of(numerator, 2 * scale), Numeric.of(divisor));
    return this.#spread.isRoot ? squareRoot(variance) : variance;
  }

  save(slot: number, out: BlockWriter): void {
    const { count, sum, squares, scale, specials } = this.#moments.get(slot) ?? newMoments();
    out.integer(count);
    out.integer(specials);
    out.integer(scale);
    out.text(sum.toString());
    out.text(squares.toString());
    this.#scaleCounts?.save(slot, out);
  }

  load(slot: number, from: BlockReader): void {
    const moments = this.#momentsOf(slot);
    moments.count = from.integer();
    moments.specials = from.integer();
    moments.scale = from.integer();
    moments.sum = BigInt(from.text());
    moments.squares = BigInt(from.text());
    this.#scaleCounts?.load(slot, from);
  }

  #momentsOf(slot: number): Moments {
    let moments = this.#moments.get(slot);
    if (moments === undefined) {
      moments = newMoments();
      this.#moments.set(slot, moments);
    }
    return moments;
  }
}

function newMoments(): Moments {
  return { count: 0, sum: 0n, squares: 0n, scale: 0, specials: 0 };
}

function addTo(to: Moments, more: Readonly<Moments>): void {
  const scale = Math.max(to.scale, more.scale);
  const [ours, theirs] = [powerOfTen(scale - to.scale), powerOfTen(scale - more.scale)];
  to.count += more.count;
  to.specials += more.specials;
  to.sum = to.sum * ours + more.sum * theirs;
  to.squares = to.squares * ours * ours + more.squares * theirs * theirs;
  to.scale = scale;
}
