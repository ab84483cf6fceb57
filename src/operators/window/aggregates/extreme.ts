import type { CellCodec } from "../../../core/cell-codec.js";
import { Numeric } from "../../../core/numeric.js";
import type { ResultValue } from "../../../core/output.js";
import type { Rows } from "../../../core/rows.js";
import { Timestamp } from "../../../core/timestamp.js";
import type { BlockReader, BlockWriter } from "../../../state/block.js";
import type { Aggregate } from "./aggregate.js";

/** Values with an order that is PostgreSQL's, and a text to save them by. */
interface Ordering<T> {
  compare(a: T, b: T): number;
  parse(text: string): T;
  format(value: T): string;
}

const NUMBERS: Ordering<number> = {
  // PostgreSQL: NaN equals itself and is greater than every other value; -0 equals 0.
  compare: (a, b) => (Number.isNaN(a) ? (Number.isNaN(b) ? 0 : 1) : Number.isNaN(b) ? -1 : a - b),
  parse: Number,
  format: (value) => (Object.is(value, -0) ? "-0" : String(value)),
};

const BIGINTS: Ordering<bigint> = {
  compare: (a, b) => (a < b ? -1 : a > b ? 1 : 0),
  parse: BigInt,
  format: String,
};

const NUMERICS: Ordering<Numeric> = {
  compare: (a, b) => a.compare(b),
  parse: Numeric.parse,
  format: String,
};

const TIMESTAMPS: Ordering<Timestamp> = {
  compare: (a, b) => a.compare(b),
  parse: (text) => {
    const [ms, micros] = text.split(" ");
    return Timestamp.of(Number(ms), Number(micros));
  },
  format: (value) => `${value.epochMs} ${value.micros}`,
};

/** Kinds of cells that have a least and a greatest value here. */
export const ORDERED_KINDS: ReadonlySet<CellCodec["kind"]> = new Set([
  "int",
  "bigint",
  "float",
  "numeric",
  "timestamp",
]);

function orderingOf(codec: CellCodec): Ordering<unknown> {
  const ordering =
    codec.kind === "bigint"
      ? BIGINTS
      : codec.kind === "numeric"
        ? NUMERICS
        : codec.kind === "timestamp"
          ? TIMESTAMPS
          : NUMBERS;
  return ordering as Ordering<unknown>;
}

/**
 * `min` and `max`. Of equal values with different text (1.0 and 1.00) the later one is kept, as
 * numeric_smaller and numeric_larger do.
 */
export class Extreme implements Aggregate {
  readonly sqlType: string;
  readonly bytesPerSlot = 48;
  readonly #codec: CellCodec;
  readonly #ordering: Ordering<unknown>;
  /** 1 for max, -1 for min. */
  readonly #sign: number;
  readonly #values: unknown[] = [];

  constructor(codec: CellCodec, sqlType: string, which: "min" | "max") {
    this.#codec = codec;
    this.#ordering = orderingOf(codec);
    this.#sign = which === "max" ? 1 : -1;
    this.sqlType = sqlType;
  }

  grow(): void {}

  clear(slot: number): void {
    this.#values[slot] = undefined;
  }

  add(rows: Rows, slots: Int32Array, column: number): void {
    const { batch, indices, count } = rows;
    for (let k = 0; k < count; k++) {
      const i = indices[k] as number;
      const cell = (batch.after[i] as number) + 2 * column;
      const start = batch.cells[cell] as number;
      if (start < 0) continue;
      const end = batch.cells[cell + 1] as number;
      const value = this.#codec.decode(batch.bytes[i] as Uint8Array, start, end);
      const slot = slots[k] as number;
      const current = this.#values[slot];
      if (current === undefined || this.#ordering.compare(value, current) * this.#sign >= 0) {
        this.#values[slot] = value;
      }
    }
  }

  result(slot: number): ResultValue {
    const value = this.#values[slot];
    if (value === undefined) return null;
    const isLocal = value instanceof Timestamp && /without/.test(this.#codec.typeName);
    return isLocal ? value.toLocalString() : (value as ResultValue);
  }

  save(slot: number, out: BlockWriter): void {
    const value = this.#values[slot];
    out.text(value === undefined ? "" : this.#ordering.format(value));
  }

  load(slot: number, from: BlockReader): void {
    const text = from.text();
    if (text !== "") this.#values[slot] = this.#ordering.parse(text);
  }
}
