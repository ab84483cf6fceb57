import type { Change } from "../core/change.js";
import { TidemarkError } from "../core/errors.js";
import type { ResultValue } from "../core/output.js";
import type { Row } from "../core/row.js";

import type { SqlText } from "../expression/sql-text.js";
import type { PatternDefinition } from "../operators/pattern/definition.js";
import type { Overflow } from "../operators/pattern/pattern-operator.js";
import type { AggregateFunction } from "../operators/window/aggregates/aggregate-function.js";
import type { UserAggregate } from "../operators/window/aggregates/user-aggregate.js";
import type { StepTest } from "./step-tests.js";

/** An aggregate of a window, by name of its result column. */
export interface AggregatePlan {
  readonly name: string;
  readonly fn: AggregateFunction;
  /** Null for `count(*)`. */
  readonly column: string | null;
  /** Column that orders its rows; absent where none was named. */
  readonly by?: string;
  /** Of percentiles, 0 to 1. */
  readonly fraction?: number;
  /** Of approximate percentiles: the greatest relative error. */
  readonly accuracy?: number;
  /** Of `top`: how many. */
  readonly limit?: number;
  readonly separator?: string;
  /** An aggregate of the user's own. */
  readonly user?: UserAggregate;
  /** Only rows for which it is true are counted. */
  readonly where?: ((row: Row) => boolean) | SqlText;
}

/** What becomes of rows that a step cannot take. */
export interface PoisonPlan {
  /** Columns that a dead letter does not show. */
  readonly mask: readonly string[];
  /** Columns that name what is blocked after such a row; null blocks nothing. */
  readonly blockBy: readonly string[] | null;
}

/** A table's changes. */
export interface SourceNode {
  readonly op: "source";
  readonly id: string;
  /** `schema.table`. */
  readonly table: string;
  /** Column with the event time; null takes the commit's time. */
  readonly eventTime: string | null;
  readonly outOfOrderMs: number;
  /**
   * `inserts`: rows of a table that is only inserted into. `changes`: every change as it is.
   * `rows`: rows that come in and rows that leave, so that results follow the table as it stands.
   */
  readonly reads: "inserts" | "changes" | "rows";
  /** Whether rows that are there when the slot is made come in first. */
  readonly copy: boolean;
  /** Absent: such a row stops the pipeline. */
  readonly poison?: PoisonPlan;
}

/** Rows for which a function or a PostgreSQL expression is true. */
export interface FilterNode {
  readonly op: "filter";
  readonly id: string;
  readonly input: string;
  readonly predicate: ((row: Row) => boolean) | SqlText;
}

/** Changes for which a function is true, behind a source that reads them. */
export interface FilterChangesNode {
  readonly op: "filterChanges";
  readonly id: string;
  readonly input: string;
  readonly predicate: (change: Change<Row>) => boolean;
}

/** Windows of one size that follow each other. */
export interface TumblingWindow {
  readonly kind: "tumbling";
  readonly sizeMs: number;
  /** Offset of the first window from the Unix epoch. */
  readonly offsetMs: number;
  /** Result column that holds the window's start. */
  readonly column: string;
  /** Result column that holds its end; null where there is none. */
  readonly otherColumn: string | null;
}

/** Windows of one size that begin at equal distances and may overlap. */
export interface HoppingWindow extends Omit<TumblingWindow, "kind"> {
  readonly kind: "hopping";
  /** From a start to the next. */
  readonly slideMs: number;
}

/** Windows that begin together every `sizeMs` and end a step later each. */
export interface CumulatingWindow {
  readonly kind: "cumulating";
  readonly sizeMs: number;
  readonly stepMs: number;
  readonly offsetMs: number;
  /** Result column that holds the window's end. */
  readonly column: string;
  /** Result column that holds its start; null where there is none. */
  readonly otherColumn: string | null;
}

/** Rows of a key that are at most a gap apart. */
export interface SessionWindow {
  readonly kind: "session";
  readonly gapMs: number;
  /** Result column that holds the time of the session's first row. */
  readonly column: string;
  /** Result column that holds the time of its last row; null where there is none. */
  readonly otherColumn: string | null;
}

/** The time up to each row. */
export interface SlidingWindow {
  readonly kind: "sliding";
  readonly rangeMs: number;
  /** Result column that holds the row's time. */
  readonly column: string;
  readonly otherColumn: null;
}

/** Windows that lie where the clock says. */
export type GridWindow = TumblingWindow | HoppingWindow | CumulatingWindow;

/** Windows that lie where rows do. */
export type EventWindow = SessionWindow | SlidingWindow;

export type WindowPlan = GridWindow | EventWindow;

/** When results of windows are given out. */
export interface EmissionPlan {
  /** At every flush, at multiples of so many milliseconds of event time, or only on close. */
  readonly early: "flush" | number | null;
  /** How long after its end a window closes; null: it takes rows as long as its row stays. */
  readonly latenessMs: number | null;
}

/** Every change at every flush, as long as the window's row stays. */
export const EMIT_CHANGES: EmissionPlan = { early: "flush", latenessMs: null };

/** Aggregates by key and window. */
export interface WindowNode {
  readonly op: "window";
  readonly id: string;
  readonly input: string;
  readonly keys: readonly string[];
  /** Null: one result a key, over all rows. */
  readonly window: WindowPlan | null;
  readonly emission: EmissionPlan;
  readonly aggregates: readonly AggregatePlan[];
  /** Only results for which it is true are in the view. */
  readonly having?: ((row: ResultRow) => boolean) | SqlText;
}

/** A row of a result by its columns: group columns as PostgreSQL's text, results as they are. */
export type ResultRow = Readonly<Record<string, ResultValue>>;

/** A table kept equal to its input: one row a key. */
export interface ViewNode {
  readonly op: "view";
  readonly id: string;
  readonly input: string;
  /** `schema.table`. */
  readonly table: string;
  /** How long a window's row stays after the window's end; null keeps it. */
  readonly retainMs: number | null;
}

/** A table that gets the rows that came too late for a window. */
export interface LateNode {
  readonly op: "late";
  readonly id: string;
  /** The window. */
  readonly input: string;
  /** `schema.table`. */
  readonly table: string;
  /** How long a row stays; null keeps it. */
  readonly retainMs: number | null;
}

/** A table that gets a row a change. */
export interface AppendNode {
  readonly op: "append";
  readonly id: string;
  readonly input: string;
  /** `schema.table`. */
  readonly table: string;
  /** Columns of the source that are kept; null keeps all there are. */
  readonly columns: readonly string[] | null;
  /** How long a row stays, by commit time; null keeps it. */
  readonly retainMs: number | null;
}

/** A column of a match: of the first or last event of a step, or how many events it has. */
export interface SelectedPlan {
  readonly name: string;
  readonly step: string;
  readonly of: "first" | "last" | "count";
  /** Column of the source; null for a count. */
  readonly column: string | null;
}

/** A pattern in the rows of each key. */
export interface MatchNode {
  readonly op: "match";
  readonly id: string;
  readonly input: string;
  readonly keys: readonly string[];
  readonly pattern: PatternDefinition<StepTest>;
  readonly select: readonly SelectedPlan[];
  /** Partial matches that one key may have. */
  readonly maxRuns: number;
  readonly overflow: Overflow;
}

/** A table that gets a row a match, a partial match whose time was over, or a late row. */
export interface MatchesNode {
  readonly op: "matches";
  readonly id: string;
  readonly input: string;
  readonly kind: "matched" | "timedOut" | "late";
  /** `schema.table`. */
  readonly table: string;
  /** How long a row stays; null keeps it. */
  readonly retainMs: number | null;
}

export type PlanNode =
  | SourceNode
  | FilterNode
  | FilterChangesNode
  | WindowNode
  | LateNode
  | ViewNode
  | AppendNode
  | MatchNode
  | MatchesNode;

/**
 * What a pipeline computes, as a plain value: steps with stable names, each naming its input, in an
 * order where inputs come first. User functions are the only leaves that do not print.
 */
export interface Plan {
  readonly pipeline: string;
  readonly nodes: readonly PlanNode[];
}

/** The nodes of one kind. */
export function nodesOf<K extends PlanNode["op"]>(
  plan: Plan,
  op: K,
): Extract<PlanNode, { op: K }>[] {
  return plan.nodes.filter((node): node is Extract<PlanNode, { op: K }> => node.op === op);
}

/** The step whose rows reach step `id`. Throws PLAN_INVALID when there is none. */
export function sourceOf(plan: Plan, id: string): SourceNode {
  const node = plan.nodes.find((n) => n.id === id);
  if (node?.op === "source") return node;
  if (node === undefined || !("input" in node)) {
    throw new TidemarkError("PLAN_INVALID", `${id}: there is no such step.`);
  }
  return sourceOf(plan, node.input);
}

/** The tables a plan writes. */
export function outputTablesOf(plan: Plan): string[] {
  return (["view", "late", "append", "matches"] as const).flatMap((op) =>
    nodesOf(plan, op).map((node) => node.table),
  );
}

/** The tables a plan reads, each once. */
export function tablesOf(plan: Plan): string[] {
  return [...new Set(nodesOf(plan, "source").map((node) => node.table))];
}

/** Which changes of its tables a plan has to see. */
export function kindsOf(plan: Plan): "inserts" | "all" {
  const isAppendOnly = nodesOf(plan, "source").every(({ reads }) => reads === "inserts");
  return isAppendOnly ? "inserts" : "all";
}

/** The tables whose rows are copied when a plan's slot is made, each once. */
export function copiedTables(plan: Plan): string[] {
  return tablesWhere(plan, ({ copy }) => copy);
}

/** The tables that have to be empty when a plan's slot is made, each once. */
export function emptyTables(plan: Plan): string[] {
  return tablesWhere(plan, ({ reads, copy }) => reads === "rows" && !copy);
}

function tablesWhere(plan: Plan, holds: (source: SourceNode) => boolean): string[] {
  return [
    ...new Set(
      nodesOf(plan, "source")
        .filter(holds)
        .map(({ table }) => table),
    ),
  ];
}

const READ_BY_CODEC: ReadonlySet<PlanNode["op"]> = new Set(["source", "filter", "window", "view"]);

/** Aggregates that keep the text of values. */
const KEEPS_TEXT: ReadonlySet<AggregateFunction> = new Set([
  "first",
  "last",
  "arg_min",
  "arg_max",
  "top",
  "string_agg",
  "array_agg",
  "jsonb_agg",
]);

/**
 * Whether all steps read cells as values, so that these may be binary: others copy text, rows that
 * are followed may be kept in state, where another run must find the form it expects, and a copy
 * of a table is text.
 */
export function readsValuesOnly(plan: Plan): boolean {
  const isText = ({ reads, copy }: SourceNode): boolean => reads === "rows" || copy;
  const aggregates = nodesOf(plan, "window").flatMap((node) => node.aggregates);
  return (
    plan.nodes.every(({ op }) => READ_BY_CODEC.has(op)) &&
    !aggregates.some(({ fn }) => KEEPS_TEXT.has(fn)) &&
    tablesWhere(plan, isText).length === 0
  );
}
