import type { CellCodec } from "../../../core/cell-codec.js";
import type { ResultValue } from "../../../core/output.js";
import type { Rows } from "../../../core/rows.js";
import type { BlockReader, BlockWriter } from "../../../state/block.js";
import type { Aggregate } from "./aggregate.js";
import {
  addDyadic,
  DYADIC_ZERO,
  type Dyadic,
  dyadicOf,
  dyadicQuotient,
  multiplyDyadic,
} from "./dyadic.js";
import { eachValue } from "./each-value.js";
import { divisorOf, type Spread } from "./moments.js";
import { toDouble } from "./ordered-values.js";

interface Moments {
  count: number;
  /** NaN and infinities among them: with any of them the result is NaN. */
  specials: number;
  sum: Dyadic;
  squares: Dyadic;
}

/**
 * Variance and standard deviation of real and double precision where rows may leave. Running sums
 * of doubles cannot give a value back, so the sums of the values and of their squares are kept
 * exactly and the result is rounded once. PostgreSQL rounds at each row, in the order in which it
 * happens to scan; the last digits can differ from one such order.
 */
export class ExactFloatVariance implements Aggregate {
  readonly sqlType = "double precision";
  readonly bytesPerSlot = 8;
  readonly #codec: CellCodec;
  readonly #spread: Spread;
  readonly #moments = new Map<number, Moments>();

  constructor(codec: CellCodec, spread: Spread) {
    this.#codec = codec;
    this.#spread = spread;
  }

  get heldBytes(): number {
    return this.#moments.size * 400;
  }

  grow(): void {}

  clear(slot: number): void {
    this.#moments.delete(slot);
  }

  add(rows: Rows, slots: Int32Array, [column = -1]: readonly number[]): void {
    const { weight } = rows;
    eachValue<number>({ rows, column, codec: this.#codec }, (k, decoded) => {
      const value = toDouble(decoded, this.#codec);
      const isNumber = Number.isFinite(value);
      const dyadic = isNumber ? dyadicOf(value) : DYADIC_ZERO;
      const square = multiplyDyadic(dyadic, dyadic);
      addTo(this.#momentsOf(slots[k] as number), {
        count: weight,
        specials: isNumber ? 0 : weight,
        sum: weight > 0 ? dyadic : negated(dyadic),
        squares: weight > 0 ? square : negated(square),
      });
    });
  }

  merge(slot: number, from: this, fromSlot: number): void {
    const other = from.#moments.get(fromSlot);
    if (other !== undefined) addTo(this.#momentsOf(slot), other);
  }

  result(slot: number): ResultValue {
    const { count, specials, sum, squares } = this.#moments.get(slot) ?? newMoments();
    const divisor = divisorOf(this.#spread, count);
    if (divisor === null) return null;
    if (specials > 0) return Number.NaN;
    const n = BigInt(count);
    const all = { mantissa: squares.mantissa * n, exponent: squares.exponent };
    const numerator = addDyadic(all, negated(multiplyDyadic(sum, sum)));
    const variance = dyadicQuotient(numerator, n * BigInt(divisor));
    return this.#spread.isRoot ? Math.sqrt(variance) : variance;
  }

  save(slot: number, out: BlockWriter): void {
    const { count, specials, sum, squares } = this.#moments.get(slot) ?? newMoments();
    out.integer(count);
    out.integer(specials);
    for (const { mantissa, exponent } of [sum, squares]) {
      out.text(mantissa.toString());
      out.double(exponent);
    }
  }

  load(slot: number, from: BlockReader): void {
    const moments = this.#momentsOf(slot);
    moments.count = from.integer();
    moments.specials = from.integer();
    moments.sum = { mantissa: BigInt(from.text()), exponent: from.double() };
    moments.squares = { mantissa: BigInt(from.text()), exponent: from.double() };
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
  return { count: 0, specials: 0, sum: DYADIC_ZERO, squares: DYADIC_ZERO };
}

function negated({ mantissa, exponent }: Dyadic): Dyadic {
  return { mantissa: -mantissa, exponent };
}

function addTo(to: Moments, more: Readonly<Moments>): void {
  to.count += more.count;
  to.specials += more.specials;
  to.sum = addDyadic(to.sum, more.sum);
  to.squares = addDyadic(to.squares, more.squares);
}
