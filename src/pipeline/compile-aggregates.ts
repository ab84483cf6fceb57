import type { CatalogColumn } from "../core/catalog.js";
import { isSqlText, type SqlText } from "../expression/sql-text.js";
import type { BoundAggregate } from "../operators/window/aggregate-list.js";
import { createAggregate } from "../operators/window/aggregates/create.js";
import { FilteredAggregate } from "../operators/window/aggregates/filtered-aggregate.js";
import { type Condition, testOf } from "./conditions.js";
import type { AggregatePlan, WindowNode } from "./plan.js";

/** What the aggregates of a step have to know of their input. */
export interface AggregateInput {
  /** A column of the input. Throws PLAN_INVALID when there is none. */
  columnOf(name: string): CatalogColumn;
  /** Column with the event time; null for the commit's time. */
  readonly eventTime: string | null;
  /** Whether rows leave again. */
  readonly isRetractable: boolean;
  /** Whether states are merged, in steps that must not show in the result. */
  readonly isMerged: boolean;
  readonly conditions: ReadonlyMap<string, Condition>;
}

/** The aggregates of a step. Throws PLAN_INVALID for one that is not possible. */
export function compileAggregates(
  { id, aggregates }: Pick<WindowNode, "id" | "aggregates">,
  { columnOf, eventTime, isRetractable, isMerged, conditions }: AggregateInput,
): BoundAggregate[] {
  return aggregates.map((plan) => {
    const { name, column, where, by: _, ...more } = plan;
    const by = orderOf(plan, eventTime);
    const read = column === null ? null : columnOf(column);
    // Sums of floats follow from the order in which they are added; exact ones do not.
    const mustBeExact = isMerged && read?.codec.kind === "float" && SUMS.test(plan.fn);
    const aggregate = createAggregate({
      ...more,
      column: read,
      ...(by === null ? {} : { by: by === undefined ? null : columnOf(by) }),
      isRetractable: isRetractable || mustBeExact,
      step: id,
    });
    const bound = { text: aggregateText(plan), columns: aggregateColumns(plan, eventTime) };
    if (where === undefined) return { ...bound, aggregate };
    const condition = `${id} ${name}`;
    const test = testOf({ id: condition, predicate: where }, conditions);
    return { ...bound, aggregate: new FilteredAggregate(aggregate, test, condition) };
  });
}

/** The columns that an aggregate names, in the order in which it reads them. */
export function aggregateColumns(plan: AggregatePlan, eventTime: string | null): string[] {
  const by = orderOf(plan, eventTime) ?? null;
  return [plan.column, by].filter((name) => name !== null);
}

/** An aggregate as it is printed, and as saved state names what it follows from. */
export function aggregateText(plan: AggregatePlan): string {
  const { fn, column, by, fraction, accuracy, limit, separator, user, where } = plan;
  const name = user === undefined ? fn : `${user.name} version ${user.version} `;
  const parameters = [fraction, accuracy, limit].filter((value) => value !== undefined);
  const text = separator === undefined ? [] : [JSON.stringify(separator)];
  const all = [column ?? "*", ...parameters, ...text].join(", ");
  const order = by === undefined ? "" : ` by ${by}`;
  return `${name}(${all})${order}${where === undefined ? "" : ` where ${conditionText(where)}`}`;
}

/** A condition as it is printed. */
export function conditionText(condition: SqlText | ((row: never) => boolean)): string {
  return isSqlText(condition) ? condition.text.trim() : "a function is true";
}

const SUMS = /^(?:sum|avg|var|stddev)/;

const ORDERED_BY_TIME: ReadonlySet<AggregatePlan["fn"]> = new Set([
  "first",
  "last",
  "string_agg",
  "array_agg",
  "jsonb_agg",
]);

/**
 * The column that orders an aggregate's rows: the one that is named, or the event time. Undefined
 * for the order of the log; null where nothing is ordered by another column.
 */
function orderOf({ fn, by }: AggregatePlan, eventTime: string | null): string | null | undefined {
  if (by !== undefined) return by;
  return ORDERED_BY_TIME.has(fn) ? (eventTime ?? undefined) : null;
}
