import type { CellCodec } from "../../../core/cell-codec.js";
import { Numeric } from "../../../core/numeric.js";
import type { ResultValue } from "../../../core/output.js";
import { Timestamp } from "../../../core/timestamp.js";

/** Values with an order that is PostgreSQL's, and a text to save them by. */
export interface Ordering<T> {
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

/** The order of a column's decoded values. */
export function orderingOf(codec: CellCodec): Ordering<unknown> {
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

/** A decoded value as a result; undefined, for none, is NULL. */
export function resultOf(codec: CellCodec, value: unknown): ResultValue {
  if (value === undefined) return null;
  const isLocal = value instanceof Timestamp && /without/.test(codec.typeName);
  return isLocal ? value.toLocalString() : (value as ResultValue);
}
