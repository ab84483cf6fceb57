import type { CatalogColumn } from "../../../core/catalog.js";
import { TidemarkError } from "../../../core/errors.js";
import type { Aggregate } from "./aggregate.js";
import type { ColumnWish } from "./create.js";
import { Extreme } from "./extreme.js";
import {
  arrayOf,
  edgeValue,
  joinedText,
  jsonArrayOf,
  type OrderedEntries,
  valuesOfGreatest,
} from "./ordered-entries.js";
import {
  continuousPercentile,
  discretePercentile,
  extremeOf,
  greatestValues,
  type OrderedColumn,
} from "./ordered-values.js";
import { orderingOf } from "./ordering.js";

const ORDERED = 'numbers, timestamps, dates, and text with collation "C"';

/**
 * An aggregate whose answer follows from an order, or what kind of column it takes. Throws
 * PLAN_INVALID where nothing tells the order.
 */
export function createOrdered(wish: ColumnWish): Aggregate | string | null {
  const { fn, column, isRetractable, limit = 1 } = wish;
  switch (fn) {
    case "min":
    case "max": {
      const of = orderedColumn(wish);
      if (of === null) return ORDERED;
      const isKept = isRetractable || column.codec.kind === "text";
      return isKept ? extremeOf(of, fn) : new Extreme(column, of.ordering, fn);
    }
    case "percentile_disc":
    case "percentile_cont": {
      const { fraction = 0.5 } = wish;
      const of = orderedColumn(wish);
      if (of === null) return ORDERED;
      if (fn === "percentile_disc") return discretePercentile(of, fraction);
      return /^(?:int|bigint|float|numeric)$/.test(column.codec.kind)
        ? continuousPercentile(of, fraction)
        : "numbers";
    }
    case "top": {
      if (wish.by !== undefined) return valuesOfGreatest(orderedEntries(wish), limit);
      const of = orderedColumn(wish);
      return of === null ? ORDERED : greatestValues(of, limit);
    }
    case "first":
    case "arg_min":
      return edgeValue(orderedEntries(wish), false);
    case "last":
    case "arg_max":
      return edgeValue(orderedEntries(wish), true);
    case "string_agg":
      if (column.codec.kind !== "text") return "text";
      return joinedText(orderedEntries(wish), wish.separator ?? "");
    case "array_agg":
      return column.codec.kind === "array"
        ? "columns that are no arrays"
        : arrayOf(orderedEntries(wish));
    case "jsonb_agg":
      if (/^(?:array|composite)$/.test(column.codec.kind)) return "neither arrays nor composites";
      return jsonArrayOf(orderedEntries(wish));
    default:
      return null;
  }
}

function orderedColumn({ column, isRetractable }: ColumnWish): OrderedColumn | null {
  const ordering = orderingOf(column);
  return ordering === null ? null : { column, ordering, isRetractable };
}

function orderedEntries({ fn, column, by = null, isRetractable }: ColumnWish): OrderedEntries {
  if (by !== null) return { column, by: { column: by, ordering: orderBy(fn, by) }, isRetractable };
  if (!isRetractable) return { column, by: null, isRetractable };
  throw new TidemarkError(
    "PLAN_INVALID",
    `${fn}("${column.name}") needs a column that orders the rows, because they may be updated ` +
      "and deleted and the log does not say when an old row came in: name one with { by }, or " +
      "give the table an eventTime.",
    { detail: { column: column.name } },
  );
}

function orderBy(fn: string, by: CatalogColumn) {
  const ordering = orderingOf(by);
  if (ordering !== null) return ordering;
  throw new TidemarkError(
    "PLAN_INVALID",
    `${fn}() cannot be ordered by "${by.name}": the column has type ${by.typeName}, and an order ` +
      `takes ${ORDERED}.`,
    { detail: { column: by.name, type: by.typeName } },
  );
}
