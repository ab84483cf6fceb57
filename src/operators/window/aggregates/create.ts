import type { CatalogColumn } from "../../../core/catalog.js";
import { TidemarkError } from "../../../core/errors.js";
import type { Aggregate } from "./aggregate.js";
import { BaggedExtreme } from "./bagged-extreme.js";
import { Count } from "./count.js";
import { ExactFloatSum } from "./exact-float-sum.js";
import { ExactSum } from "./exact-sum.js";
import { Extreme } from "./extreme.js";
import { FloatSum } from "./float-sum.js";
import { ORDERED_KINDS } from "./ordering.js";

export type AggregateFunction = "count" | "sum" | "avg" | "min" | "max";

/** What an aggregate is to compute. */
export interface AggregateWish {
  readonly fn: AggregateFunction;
  /** Null stands for `count(*)`. */
  readonly column: CatalogColumn | null;
  /** Whether rows leave again; where they never do, less has to be remembered. */
  readonly isRetractable: boolean;
}

/**
 * The aggregate that is wished for. Throws PLAN_INVALID where PostgreSQL has
 * no such aggregate, or where its answer depends on a collation.
 */
export function createAggregate({ fn, column, isRetractable }: AggregateWish): Aggregate {
  if (fn === "count") return new Count();
  if (column === null) throw new TidemarkError("PLAN_INVALID", `${fn}() needs a column.`);
  const { kind } = column.codec;
  if (fn === "min" || fn === "max") {
    const Kind = isRetractable ? BaggedExtreme : Extreme;
    if (ORDERED_KINDS.has(kind)) return new Kind(column.codec, column.typeName, fn);
  } else if (column.codec.typeName !== "oid") {
    if (kind === "int" || kind === "bigint" || kind === "numeric") {
      const isAnyScale = kind === "numeric" && column.typeName === "numeric";
      return new ExactSum(column.codec, fn === "avg", isRetractable && isAnyScale);
    }
    const Kind = isRetractable ? ExactFloatSum : FloatSum;
    if (kind === "float") return new Kind(column.codec, fn === "avg");
  }
  throw new TidemarkError(
    "PLAN_INVALID",
    `${fn}("${column.name}") is not possible: the column has type ${column.typeName}, and ${fn} ` +
      `takes numbers${fn === "min" || fn === "max" ? " and timestamps" : ""}.`,
    { detail: { column: column.name, type: column.typeName } },
  );
}
