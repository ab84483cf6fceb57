import type { CatalogColumn } from "../../../core/catalog.js";
import { TidemarkError } from "../../../core/errors.js";
import type { Aggregate } from "./aggregate.js";
import type { AggregateFunction } from "./aggregate-function.js";
import { BoolCount } from "./bool-count.js";
import { Count } from "./count.js";
import { createOrdered } from "./create-ordered.js";
import { DistinctCount } from "./distinct-count.js";
import { DistinctSketch } from "./distinct-sketch.js";
import { hasEqualityText } from "./equality-text.js";
import { ExactFloatSum } from "./exact-float-sum.js";
import { ExactFloatVariance } from "./exact-float-variance.js";
import { ExactSum } from "./exact-sum.js";
import { ExactVariance } from "./exact-variance.js";
import { FloatSum } from "./float-sum.js";
import { FloatVariance } from "./float-variance.js";
import { QuantileSketch } from "./quantile-sketch.js";
import { checkRemovable, type UserAggregate, UserAggregateColumn } from "./user-aggregate.js";

/** What an aggregate is to compute. */
export interface AggregateWish {
  readonly fn: AggregateFunction;
  /** Null stands for `count(*)`. */
  readonly column: CatalogColumn | null;
  /** Column that orders, where one does; null for the order of the log. */
  readonly by?: CatalogColumn | null;
  /** Whether rows leave again; where they never do, less has to be remembered. */
  readonly isRetractable: boolean;
  readonly fraction?: number;
  readonly accuracy?: number;
  readonly limit?: number;
  readonly separator?: string;
  readonly user?: UserAggregate;
  /** Names the step in errors. */
  readonly step?: string;
}

/** A wish whose column is there. */
export interface ColumnWish extends AggregateWish {
  readonly column: CatalogColumn;
}

/**
 * The aggregate that is wished for. Throws PLAN_INVALID where PostgreSQL has
 * no such aggregate, or where its answer depends on a collation.
 */
export function createAggregate(wish: AggregateWish): Aggregate {
  const { fn, column } = wish;
  if (fn === "count") return new Count();
  if (column === null) throw new TidemarkError("PLAN_INVALID", `${fn}() needs a column.`);
  const found = createForColumn({ ...wish, column });
  if (found === null || typeof found === "string") throw impossible(fn, column, found);
  return found;
}

/** The aggregate, or what kind of column it takes; null where more cannot be said. */
function createForColumn(wish: ColumnWish): Aggregate | string | null {
  const { fn, column, isRetractable } = wish;
  const { codec } = column;
  switch (fn) {
    case "sum":
    case "avg":
      return createSum(wish);
    case "var_pop":
    case "var_samp":
    case "stddev_pop":
    case "stddev_samp":
      return createVariance(wish);
    case "bool_and":
    case "bool_or":
      return codec.kind === "bool" ? new BoolCount(codec, fn === "bool_and") : "booleans";
    case "count_distinct":
      return hasEqualityText(column) ? new DistinctCount(codec) : COMPARABLE;
    case "approx_count_distinct":
      if (isRetractable) throw cannotForget(column);
      return hasEqualityText(column) ? new DistinctSketch(codec) : COMPARABLE;
    case "approx_percentile": {
      const { fraction = 0.5, accuracy = 0.01 } = wish;
      return isNumber(column) ? new QuantileSketch(codec, { fraction, accuracy }) : NUMBERS;
    }
    case "user": {
      const { user, step = "" } = wish;
      if (user === undefined) return null;
      checkRemovable(user, isRetractable);
      return new UserAggregateColumn(user, { step, codec });
    }
    default:
      return createOrdered(wish);
  }
}

const NUMBERS = "numbers";
const COMPARABLE =
  "types whose equal values print the same: numbers, text, booleans, uuid, dates and timestamps";

function createSum({ fn, column, isRetractable }: ColumnWish): Aggregate | string {
  const { codec } = column;
  if (isExact(column)) {
    const isAnyScale = codec.kind === "numeric" && column.typeName === "numeric";
    return new ExactSum(codec, fn === "avg", isRetractable && isAnyScale);
  }
  const Kind = isRetractable ? ExactFloatSum : FloatSum;
  return codec.kind === "float" ? new Kind(codec, fn === "avg") : NUMBERS;
}

function createVariance({ fn, column, isRetractable }: ColumnWish): Aggregate | string {
  const { codec } = column;
  const spread = { isSample: fn.endsWith("samp"), isRoot: fn.startsWith("stddev") };
  if (isExact(column)) {
    return new ExactVariance(codec, spread, isRetractable && codec.kind === "numeric");
  }
  const Kind = isRetractable ? ExactFloatVariance : FloatVariance;
  return codec.kind === "float" ? new Kind(codec, spread) : NUMBERS;
}

/** Whether its values are integers or numeric. */
function isExact({ codec }: CatalogColumn): boolean {
  const isKind = codec.kind === "int" || codec.kind === "bigint" || codec.kind === "numeric";
  return isKind && codec.typeName !== "oid";
}

/** Whether its values are numbers. */
export function isNumber(column: CatalogColumn): boolean {
  return isExact(column) || column.codec.kind === "float";
}

function impossible(fn: string, column: CatalogColumn, takes: string | null): TidemarkError {
  return new TidemarkError(
    "PLAN_INVALID",
    `${fn}("${column.name}") is not possible: the column has type ${column.typeName}` +
      `${takes === null ? "" : `, and ${fn} takes ${takes}`}.`,
    { detail: { column: column.name, type: column.typeName } },
  );
}

function cannotForget({ name }: CatalogColumn): TidemarkError {
  return new TidemarkError(
    "PLAN_INVALID",
    `approx_count_distinct("${name}") cannot follow rows that are updated or deleted, because ` +
      "its registers remember only the rarest value and cannot tell what is left without it. Use " +
      "countDistinct(), or read a table that is only inserted into, with appendOnly: true.",
    { detail: { column: name } },
  );
}
