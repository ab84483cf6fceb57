import type { CatalogColumn } from "../../../core/catalog.js";
import type { CellCodec } from "../../../core/cell-codec.js";
import type { ResultValue } from "../../../core/output.js";
import { printArray } from "../../../expression/values/array-text.js";
import { BagAggregate, type BagParts } from "./bag-aggregate.js";
import { valueAt } from "./each-value.js";
import { NUMBERS, type Ordering, resultOf, totalOrder } from "./ordering.js";
import type { SortedBag } from "./sorted-bag.js";
import { loadText, saveText } from "./utf8-text.js";

/** A column whose values are kept in their order. */
export interface OrderedColumn {
  readonly column: CatalogColumn;
  readonly ordering: Ordering<unknown>;
  readonly isRetractable: boolean;
}

/**
 * `min` and `max` where rows may leave. Of equal values with different text (1.0 and 1.00) the one
 * with the shorter text is the least; PostgreSQL takes the one it happens to scan last.
 */
export function extremeOf(of: OrderedColumn, which: "min" | "max"): BagAggregate<unknown> {
  const { codec } = of.column;
  const sign = which === "max" ? -1 : 1;
  return new BagAggregate({
    ...valueParts(of, sign),
    sqlType: of.column.typeName,
    maxKept: of.isRetractable ? Number.POSITIVE_INFINITY : 1,
    finish: (bag) => resultOf(codec, bag.at(0)),
  });
}

/** `percentile_disc(fraction)`: the first value whose place in the order reaches the fraction. */
export function discretePercentile(of: OrderedColumn, fraction: number): BagAggregate<unknown> {
  const { codec } = of.column;
  return new BagAggregate({
    ...valueParts(of, 1),
    sqlType: arraylessType(of.column),
    finish: (bag) => resultOf(codec, bag.at(Math.max(0, Math.ceil(fraction * bag.total) - 1))),
  });
}

/** `percentile_cont(fraction)`: interpolated between neighbours, in double precision. */
export function continuousPercentile(of: OrderedColumn, fraction: number): BagAggregate<number> {
  const { codec } = of.column;
  return new BagAggregate<number>({
    sqlType: "double precision",
    read(rows, k, columns) {
      const value = valueAt({ rows, column: columns[0] as number, codec }, k);
      return value === null ? undefined : toDouble(value, codec);
    },
    compare: totalOrder(NUMBERS),
    save: (value, out) => out.double(value),
    load: (from) => from.double(),
    bytesPerValue: 16,
    maxKept: Number.POSITIVE_INFINITY,
    finish: (bag) => interpolated(bag, fraction),
  });
}

/** The `count` greatest values, the greatest first, as an array. */
export function greatestValues(of: OrderedColumn, count: number): BagAggregate<unknown> {
  const { codec } = of.column;
  return new BagAggregate({
    ...valueParts(of, -1),
    sqlType: `${arraylessType(of.column)}[]`,
    maxKept: of.isRetractable ? Number.POSITIVE_INFINITY : count,
    finish(bag) {
      const values: string[] = [];
      for (const value of bag) {
        if (values.push(textOf(resultOf(codec, value))) === count) break;
      }
      return values.length === 0 ? null : printArray(values, String);
    },
  });
}

/** A column's type as an aggregate returns it: without length, precision and scale. */
export function arraylessType({ typeName }: CatalogColumn): string {
  // "character" alone would be one character wide.
  return typeName.startsWith("character(") ? typeName : typeName.replace(/\(.*?\)/, "");
}

function valueParts(
  { column, ordering }: OrderedColumn,
  sign: 1 | -1,
): Omit<BagParts<unknown>, "sqlType" | "finish"> {
  const { codec } = column;
  const compare = totalOrder(ordering);
  return {
    read: (rows, k, [at = -1]) => valueAt({ rows, column: at, codec }, k) ?? undefined,
    compare: (a, b) => compare(a, b) * sign,
    save: (value, out) => saveText(ordering.format(value), out),
    load: (from) => ordering.parse(loadText(from)),
    bytesPerValue: 48,
    maxKept: Number.POSITIVE_INFINITY,
  };
}

/** As orderedsetaggs.c has it: float8_lerp between the values below and above. */
function interpolated(bag: SortedBag<number>, fraction: number): ResultValue {
  if (bag.total === 0) return null;
  const place = fraction * (bag.total - 1);
  const first = Math.floor(place);
  const low = bag.at(first) as number;
  if (first === Math.ceil(place)) return low;
  const high = bag.at(first + 1) as number;
  return low + (place - first) * (high - low);
}

/** A number as its cast to double precision. */
export function toDouble(value: unknown, codec: CellCodec): number {
  const number = Number(value);
  return codec.typeName === "real" ? Math.fround(number) : number;
}

function textOf(value: ResultValue): string {
  return Object.is(value, -0) ? "-0" : String(value);
}
