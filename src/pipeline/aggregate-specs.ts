import type { CalendarDate } from "../core/calendar-date.js";
import { TidemarkError } from "../core/errors.js";
import type { Numeric } from "../core/numeric.js";
import type { Row } from "../core/row.js";
import type { Timestamp } from "../core/timestamp.js";
import type { SqlText } from "../expression/sql-text.js";
import type { UserAggregate } from "../operators/window/aggregates/user-aggregate.js";
import type { AggregatePlan } from "./plan.js";

// What users write in aggregate({ … }). Names and meanings are PostgreSQL's where it has them.

/** The columns of a row. */
export type ColumnOf<R> = Extract<keyof R, string>;
/** Its columns whose values, but for NULL, are `T`. */
export type ColumnsOf<R, T> = {
  [C in ColumnOf<R>]: NonNullable<R[C]> extends T ? C : never;
}[ColumnOf<R>];

/** A result to be computed per group; `C` names the columns it reads, `R` is the row. */
export interface AggregateSpec<
  F extends AggregatePlan["fn"] = AggregatePlan["fn"],
  C extends string = string,
  R = never,
> extends Omit<AggregatePlan, "name" | "fn" | "column" | "by" | "where"> {
  readonly fn: F;
  readonly column: C | null;
  readonly by?: C;
  readonly where?: Condition<R>;
}

/** PostgreSQL's `FILTER (WHERE …)`: a function, or an expression of PostgreSQL. */
type Condition<R> = ((row: Readonly<R>) => boolean) | SqlText;

/** Which rows an aggregate counts. */
export interface AggregateOptions<R = never> {
  /**
   * Only rows for which it is true. A function has to give the same answer for the same row; the
   * row is valid during the call.
   */
  readonly filter?: Condition<R>;
}

/** By what an aggregate's rows are ordered. */
export interface OrderOptions<C extends string, R = never> extends AggregateOptions<R> {
  /** Column that orders. Default: the event time, or the order of the log without one. */
  readonly by?: C;
}

type Orderable = number | bigint | Numeric | Timestamp | CalendarDate | string;
type NumberLike = number | bigint | Numeric;

/** The aggregates that rows `R` can have. */
export type AggregateFor<R> =
  | AggregateSpec<AnyColumn, ColumnOf<R>, R>
  | AggregateSpec<OfNumbers, ColumnsOf<R, NumberLike>, R>
  | AggregateSpec<OfOrdered, ColumnsOf<R, Orderable>, R>
  | AggregateSpec<"bool_and" | "bool_or", ColumnsOf<R, boolean>, R>;

type OfNumbers =
  | "sum"
  | "avg"
  | "var_pop"
  | "var_samp"
  | "stddev_pop"
  | "stddev_samp"
  | "percentile_cont"
  | "approx_percentile";
type OfOrdered = "min" | "max" | "percentile_disc";
type AnyColumn = Exclude<AggregatePlan["fn"], OfNumbers | OfOrdered | "bool_and" | "bool_or">;

type Settings = Partial<Omit<AggregatePlan, "name" | "fn" | "column" | "by" | "where">>;
type Spec<F extends AggregatePlan["fn"], C extends string, R> = AggregateSpec<F, C, R>;

function spec<F extends AggregatePlan["fn"], C extends string, R>(
  fn: F,
  column: C | null,
  { filter, by, ...more }: OrderOptions<C, R> & Settings = {},
): Spec<F, C, R> {
  return {
    fn,
    column,
    ...more,
    ...(by === undefined ? {} : { by }),
    ...(filter === undefined ? {} : { where: filter }),
  };
}

/** `count(*)`, or with a column `count(column)`: rows where it is not NULL. */
export function count<R>(options?: AggregateOptions<R>): Spec<"count", never, R>;
export function count<C extends string, R>(
  column: C,
  options?: AggregateOptions<R>,
): Spec<"count", C, R>;
export function count<C extends string, R>(
  column?: C | AggregateOptions<R>,
  options: AggregateOptions<R> = {},
): Spec<"count", C, R> {
  const isColumn = typeof column === "string";
  return spec("count", isColumn ? column : null, isColumn ? options : (column ?? {}));
}

/** `count(distinct column)`, exact. Every different value of a group is kept. */
export function countDistinct<C extends string, R>(
  column: C,
  options?: AggregateOptions<R>,
): Spec<"count_distinct", C, R> {
  return spec("count_distinct", column, options);
}

/** Exact for integers and numeric; NULLs do not count; NULL when there is nothing to add. */
export function sum<C extends string, R>(
  column: C,
  options?: AggregateOptions<R>,
): Spec<"sum", C, R> {
  return spec("sum", column, options);
}

/** The mean with PostgreSQL's digits and scale. */
export function avg<C extends string, R>(
  column: C,
  options?: AggregateOptions<R>,
): Spec<"avg", C, R> {
  return spec("avg", column, options);
}

/** The least value. Of text, only with collation "C". */
export function min<C extends string, R>(
  column: C,
  options?: AggregateOptions<R>,
): Spec<"min", C, R> {
  return spec("min", column, options);
}

/** The greatest value. Of text, only with collation "C". */
export function max<C extends string, R>(
  column: C,
  options?: AggregateOptions<R>,
): Spec<"max", C, R> {
  return spec("max", column, options);
}

/** Variance of the population; of integers and numeric with PostgreSQL's digits. */
export function varPop<C extends string, R>(
  column: C,
  options?: AggregateOptions<R>,
): Spec<"var_pop", C, R> {
  return spec("var_pop", column, options);
}

/** Variance of a sample; NULL for fewer than two values. */
export function varSamp<C extends string, R>(
  column: C,
  options?: AggregateOptions<R>,
): Spec<"var_samp", C, R> {
  return spec("var_samp", column, options);
}

/** Standard deviation of the population. */
export function stddevPop<C extends string, R>(
  column: C,
  options?: AggregateOptions<R>,
): Spec<"stddev_pop", C, R> {
  return spec("stddev_pop", column, options);
}

/** Standard deviation of a sample; NULL for fewer than two values. */
export function stddevSamp<C extends string, R>(
  column: C,
  options?: AggregateOptions<R>,
): Spec<"stddev_samp", C, R> {
  return spec("stddev_samp", column, options);
}

/** Whether all values are true. */
export function boolAnd<C extends string, R>(
  column: C,
  options?: AggregateOptions<R>,
): Spec<"bool_and", C, R> {
  return spec("bool_and", column, options);
}

/** Whether some value is true. */
export function boolOr<C extends string, R>(
  column: C,
  options?: AggregateOptions<R>,
): Spec<"bool_or", C, R> {
  return spec("bool_or", column, options);
}

/** The value of the first row in time, or by another column. */
export function first<C extends string, R>(
  column: C,
  options?: OrderOptions<C, R>,
): Spec<"first", C, R> {
  return spec("first", column, options);
}

/** The value of the last row in time, or by another column. */
export function last<C extends string, R>(
  column: C,
  options?: OrderOptions<C, R>,
): Spec<"last", C, R> {
  return spec("last", column, options);
}

/** The value of the row with the least `by`. */
export function argMin<C extends string, R>(
  column: C,
  by: C,
  options?: AggregateOptions<R>,
): Spec<"arg_min", C, R> {
  return spec("arg_min", column, { ...options, by });
}

/** The value of the row with the greatest `by`. */
export function argMax<C extends string, R>(
  column: C,
  by: C,
  options?: AggregateOptions<R>,
): Spec<"arg_max", C, R> {
  return spec("arg_max", column, { ...options, by });
}

/** Texts joined in the order of time. Every value of a group is kept. */
export function stringAgg<C extends string, R>(
  column: C,
  separator: string,
  options?: OrderOptions<C, R>,
): Spec<"string_agg", C, R> {
  return spec("string_agg", column, { ...options, separator });
}

/** An array of the values, with NULLs, in the order of time. Every value of a group is kept. */
export function arrayAgg<C extends string, R>(
  column: C,
  options?: OrderOptions<C, R>,
): Spec<"array_agg", C, R> {
  return spec("array_agg", column, options);
}

/** A JSON array of the values, with nulls, in the order of time. Every value is kept. */
export function jsonbAgg<C extends string, R>(
  column: C,
  options?: OrderOptions<C, R>,
): Spec<"jsonb_agg", C, R> {
  return spec("jsonb_agg", column, options);
}

/** `percentile_cont(fraction) within group (order by column)`, exact: all values are kept. */
export function percentileCont<C extends string, R>(
  column: C,
  fraction: number,
  options?: AggregateOptions<R>,
): Spec<"percentile_cont", C, R> {
  return spec("percentile_cont", column, {
    ...options,
    fraction: share(fraction, "percentileCont"),
  });
}

/** `percentile_disc(fraction) within group (order by column)`, exact: all values are kept. */
export function percentileDisc<C extends string, R>(
  column: C,
  fraction: number,
  options?: AggregateOptions<R>,
): Spec<"percentile_disc", C, R> {
  return spec("percentile_disc", column, {
    ...options,
    fraction: share(fraction, "percentileDisc"),
  });
}

/** How near an approximate percentile has to be. */
export interface AccuracyOptions<R = never> extends AggregateOptions<R> {
  /** Greatest relative error. Default: 0.01. */
  readonly accuracy?: number;
}

/** A percentile within a relative error, in memory that does not grow with the rows (DDSketch). */
export function approxPercentile<C extends string, R>(
  column: C,
  fraction: number,
  { accuracy = 0.01, ...options }: AccuracyOptions<R> = {},
): Spec<"approx_percentile", C, R> {
  if (!(accuracy >= 0.0001 && accuracy <= 0.5)) {
    throw invalid("approxPercentile(accuracy) takes a relative error from 0.0001 to 0.5");
  }
  return spec("approx_percentile", column, {
    ...options,
    fraction: share(fraction, "approxPercentile"),
    accuracy,
  });
}

/**
 * How many different values there are, to within 1.6 % (one standard error), in at most 4 KiB a
 * group (HyperLogLog). Only of tables that are only inserted into.
 */
export function approxCountDistinct<C extends string, R>(
  column: C,
  options?: AggregateOptions<R>,
): Spec<"approx_count_distinct", C, R> {
  return spec("approx_count_distinct", column, options);
}

/** The `limit` greatest values as an array, or the values of the rows with the greatest `by`. */
export function top<C extends string, R>(
  column: C,
  limit: number,
  options?: OrderOptions<C, R>,
): Spec<"top", C, R> {
  if (!Number.isInteger(limit) || limit < 1) throw invalid("top(limit) takes a count, at least 1");
  return spec("top", column, { ...options, limit });
}

/** An aggregate of your own over a column's values, as your code sees them. */
export function userAggregate<C extends string, V, S, R>(
  column: C,
  definition: UserAggregate<V, S>,
  options?: AggregateOptions<R>,
): Spec<"user", C, R> {
  const { name, version } = definition;
  if (!/^[a-z_][a-z0-9_]*$/i.test(name) || !Number.isInteger(version)) {
    throw invalid(
      "userAggregate(): name takes letters, digits and underscores, version an integer",
    );
  }
  return spec("user", column, { ...options, user: Object.freeze(definition) as UserAggregate });
}

/** What was written in `aggregate({ … })` as the plan has it. */
export function aggregatePlans(
  aggregates: Readonly<Record<string, AggregateSpec<AggregatePlan["fn"], string, never>>>,
): AggregatePlan[] {
  return Object.entries(aggregates).map(([name, { where, ...written }]) => ({
    name,
    ...written,
    ...(where === undefined ? {} : { where: where as ((row: Row) => boolean) | SqlText }),
  }));
}

function share(fraction: number, call: string): number {
  if (fraction >= 0 && fraction <= 1) return fraction;
  throw invalid(`${call}(fraction) takes a number from 0 to 1`);
}

function invalid(message: string): TidemarkError {
  return new TidemarkError("PLAN_INVALID", `${message}.`);
}
