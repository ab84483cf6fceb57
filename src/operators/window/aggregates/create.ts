import type { CatalogColumn } from "../../../core/catalog.js";
import { TidemarkError } from "../../../core/errors.js";
import type { Aggregate } from "./aggregate.js";
import { Count } from "./count.js";
import { ExactSum } from "./exact-sum.js";
import { Extreme, ORDERED_KINDS } from "./extreme.js";
import { FloatSum } from "./float-sum.js";

export type AggregateFunction = "count" | "sum" | "avg" | "min" | "max";

/**
 * The aggregate for a column; null stands for `count(*)`. Throws PLAN_INVALID where PostgreSQL has
 * no such aggregate, or where its answer depends on a collation.
 */
export function createAggregate(fn: AggregateFunction, column: CatalogColumn | null): Aggregate {
  if (fn === "count") return new Count();
  if (column === null) throw new TidemarkError("PLAN_INVALID", `${fn}() needs a column.`);
  const { kind } = column.codec;
  if (fn === "min" || fn === "max") {
    if (ORDERED_KINDS.has(kind)) return new Extreme(column.codec, column.typeName, fn);
  } else if (column.codec.typeName !== "oid") {
    if (kind === "int" || kind === "bigint" || kind === "numeric") {
      return new ExactSum(column.codec, fn === "avg");
    }
    if (kind === "float") return new FloatSum(column.codec, fn === "avg");
  }
  throw new TidemarkError(
    "PLAN_INVALID",
    `${fn}("${column.name}") is not possible: the column has type ${column.typeName}, and ${fn} ` +
      `takes numbers${fn === "min" || fn === "max" ? " and timestamps" : ""}.`,
    { detail: { column: column.name, type: column.typeName } },
  );
}
