import { CalendarDate } from "../../../core/calendar-date.js";
import type { CatalogColumn } from "../../../core/catalog.js";
import type { CellCodec, CellKind } from "../../../core/cell-codec.js";
import { Numeric } from "../../../core/numeric.js";
import type { ResultValue } from "../../../core/output.js";
import { Timestamp } from "../../../core/timestamp.js";
import { ordersByCodePoint } from "../../../expression/collation.js";
import { compareCodePoints } from "../../../expression/values/json-tree.js";

/** Values with an order that is PostgreSQL's, and a text to save them by. */
export interface Ordering<T> {
  compare(a: T, b: T): number;
  /** An order among values that are equal and print differently; absent where there are none. */
  breakTie?(a: T, b: T): number;
  parse(text: string): T;
  format(value: T): string;
}

/** The order of double precision. */
export const NUMBERS: Ordering<number> = {
  // PostgreSQL: NaN equals itself and is greater than every other value; -0 equals 0.
  compare: (a, b) => {
    if (a < b) return -1;
    if (a > b) return 1;
    return a === b ? 0 : Number(Number.isNaN(a)) - Number(Number.isNaN(b));
  },
  breakTie: (a, b) => Number(Object.is(b, -0)) - Number(Object.is(a, -0)),
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
  breakTie: (a, b) => a.scale - b.scale,
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

const DATES: Ordering<CalendarDate> = {
  compare: (a, b) => a.compare(b),
  parse: (text) => CalendarDate.ofEpochDays(Number(text)),
  format: ({ epochDays }) => String(epochDays),
};

const TEXTS: Ordering<string> = {
  compare: compareCodePoints,
  parse: (text) => text,
  format: (value) => value,
};

const BY_KIND: Partial<Record<CellKind, unknown>> = {
  int: NUMBERS,
  float: NUMBERS,
  bigint: BIGINTS,
  numeric: NUMERICS,
  timestamp: TIMESTAMPS,
  date: DATES,
};

/** The order of a column's decoded values; null where there is none or a collation decides it. */
export function orderingOf({ codec, collation }: CatalogColumn): Ordering<unknown> | null {
  const isText = codec.kind === "text" && ordersByCodePoint(collation ?? null);
  const ordering: unknown = isText ? TEXTS : BY_KIND[codec.kind];
  return (ordering ?? null) as Ordering<unknown> | null;
}

/** The same order, in which only values that print the same are equal. */
export function totalOrder<T>({ compare, breakTie }: Ordering<T>): (a: T, b: T) => number {
  return breakTie === undefined ? compare : (a, b) => compare(a, b) || breakTie(a, b);
}

/** A decoded value as a result; undefined, for none, is NULL. */
export function resultOf(codec: CellCodec, value: unknown): ResultValue {
  if (value === undefined) return null;
  if (value instanceof CalendarDate) return value.toString();
  const isLocal = value instanceof Timestamp && /without/.test(codec.typeName);
  return isLocal ? value.toLocalString() : (value as ResultValue);
}
