import type { Change } from "../core/change.js";
import { type Duration, parseDuration } from "../core/duration.js";
import { TidemarkError } from "../core/errors.js";
import type { Row } from "../core/row.js";
import type { Timestamp } from "../core/timestamp.js";
import type { SqlText } from "../expression/sql-text.js";
import { addSource, qualify, uniqueId } from "./add-source.js";
import {
  type AggregateFor,
  type AggregateSpec,
  aggregatePlans,
  type ColumnOf,
  type ColumnsOf,
} from "./aggregate-specs.js";
import type { CheckpointSpec } from "./checkpoint-settings.js";

import { type Keyed, keyedRows } from "./match-builder.js";

import type { AppendNode, FilterNode, Plan, PlanNode, ResultRow, WindowNode } from "./plan.js";

import { EMIT_CHANGES } from "./plan.js";
import type { ChangeOf, RowOf } from "./published.js";
import {
  checkPostgres,
  checkRunOptions,
  type PostgresOptions,
  type PostgresSpec,
  type RunOptions,
  type SlotSpec,
} from "./specs.js";
import { type EmissionOptions, emissionOf, type WindowSpec } from "./window-specs.js";

/** Tables by qualified name, as `tidemark types` writes them: name → `Published`, or a row. */
export type Tables = object;

type TimeColumn<R> = ColumnsOf<R, Timestamp>;

/** A table that is kept equal to what it is fed from. */
export interface ViewSpec {
  readonly kind: "view";
  readonly table: string;
  readonly retainMs: number | null;
}

/** Options of {@link postgres.view}. */
export interface ViewOptions {
  /** Remove a window's row this long after the window's end. Default: keep all. */
  readonly retain?: Duration;
}

/** A table that gets a row a change. */
export interface AppendSpec<C extends string = string> {
  readonly kind: "append";
  readonly table: string;
  readonly columns: readonly C[] | null;
  readonly retainMs: number | null;
}

/** Options of {@link postgres.append}. */
export interface AppendOptions<C extends string = string> {
  /** Columns of the source to keep. Default: all. */
  readonly columns?: readonly C[];
  /** Remove a row this long after its commit. Default: keep all. */
  readonly retain?: Duration;
}

interface PostgresFunction {
  (options?: PostgresOptions): PostgresSpec;
  view(table: string, options?: ViewOptions): ViewSpec;
  append<C extends string = never>(table: string, options?: AppendOptions<C>): AppendSpec<C>;
}

/** A PostgreSQL database, and with `.view` and `.append` a table in the results database. */
export const postgres: PostgresFunction = Object.assign(
  (options: PostgresOptions = {}) => checkPostgres(options),
  {
    view(table: string, options: ViewOptions = {}): ViewSpec {
      const { retain } = options;
      return {
        kind: "view",
        table: qualify(table),
        retainMs: retain === undefined ? null : parseDuration(retain, "view({ retain })"),
      } as const;
    },
    append<C extends string>(table: string, options: AppendOptions<C> = {}): AppendSpec<C> {
      const { retain, columns } = options;
      return {
        kind: "append",
        table: qualify(table),
        columns: columns ?? null,
        retainMs: retain === undefined ? null : parseDuration(retain, "append({ retain })"),
      } as const;
    },
  },
);

/** How a table's changes are to be read. */
export interface FromOptions<R> {
  /** Column that says when a row happened. Default: the commit's time. */
  readonly eventTime?: TimeColumn<R>;
  /** How much older than the newest row one may be, for the watermark. Default: 0. */
  readonly outOfOrder?: Duration;
  /**
   * Whether rows that are there when the slot is made come in first, by a copy of the table. For
   * views only: such rows have no place in the order of the commits. Default: false.
   */
  readonly copy?: boolean;
  /** The table is only inserted into; any other change stops the pipeline with APPEND_ONLY. */
  readonly appendOnly: true;
  /**
   * What becomes of a row that cannot be processed: a function threw for it, or a cell cannot be
   * read. `stop` (the default) ends the pipeline there. Otherwise the row goes to the table
   * `tidemark.dead_letter` and the stream goes on, with options if they are given.
   */
  readonly onPoison?: "stop" | "dead-letter" | PoisonOptions<ColumnOf<R>>;
}

/** How rows that cannot be processed are put aside. */
export interface PoisonOptions<C extends string = string> {
  /** Columns whose values a dead letter does not show. */
  readonly mask?: readonly C[];
  /**
   * Columns whose values name a key: after a dead letter, later rows of the same key are held back
   * as dead letters too, until they are released. Rows are then processed one by one.
   */
  readonly blockBy?: readonly C[];
}

/** Options of a table whose rows may be updated and deleted. */
export interface TableOptions<R> extends Omit<FromOptions<R>, "appendOnly" | "copy" | "onPoison"> {
  readonly appendOnly?: false;
  /**
   * Whether the rows that are there when the slot is made are copied; without that the table has
   * to be empty then. `changes()` begins with the changes after it either way. Default: true.
   */
  readonly copy?: boolean;
}

/** The rows of a table as they stand: an update takes the old row out and brings the new one in. */
export interface TableRows<R> {
  /**
   * Rows for which the function is true, or the PostgreSQL expression: sql`amount > 100`. A
   * function has to give the same answer for the same row; the row's columns decode when read, and
   * it is valid during the call.
   */
  filter(predicate: ((row: Readonly<R>) => boolean) | SqlText): TableRows<R>;
  /** Groups by columns; without any, all rows form one group. */
  groupBy<K extends ColumnOf<R>>(...columns: K[]): Grouped<R>;
}

/** Rows of a table that is only inserted into, on their way. */
export interface Stream<R> extends TableRows<R> {
  filter(predicate: ((row: Readonly<R>) => boolean) | SqlText): Stream<R>;
  /** Has patterns looked for among the rows of each key; without columns, among all rows. */
  keyBy<K extends ColumnOf<R>>(...columns: K[]): Keyed<R>;
  /** Adds each row to a table, with its position. */
  into(table: AppendSpec<ColumnOf<R>>): void;
}

/** A table whose rows may be updated and deleted; `C` is one of its changes. */
export interface Table<R, C = ChangeOf<R>> extends TableRows<R> {
  /** Every insert, update, delete and truncate, as rows of their own. */
  changes(): Changes<R, C>;
}

/** The changes of a table on their way. */
export interface Changes<R, C = ChangeOf<R>> {
  /**
   * Changes for which the function is true. `change.op` says which images there are, and their
   * columns decode when read; they are valid during the call.
   */
  filter(predicate: (change: C) => boolean): Changes<R, C>;
  /** Adds each change to a table, with its position, operation and old image. */
  into(table: AppendSpec<ColumnOf<R>>): void;
}

export interface Grouped<R> extends Windowed<R> {
  /** A result for each group and window; without it, one for each group over all rows. */
  window(window: WindowSpec, options?: WindowOptions): Windowed<R>;
}

/** How windows give out their results. */
export interface WindowOptions extends EmissionOptions {
  /** Where rows go that come too late, if windows close. Default: a table `<view>_late`. */
  readonly late?: AppendSpec<never>;
}

export interface Windowed<R> {
  /** Result columns by name, in this order. */
  aggregate(aggregates: Readonly<Record<string, AggregateFor<R>>>): Aggregated;
}

export interface Aggregated {
  /**
   * Only results for which it is true are in the view: a function of the result's row, or an
   * expression over its columns, sql`event_count > 10`. Whenever a result changes it comes into the
   * view or leaves it.
   */
  having(condition: ((row: ResultRow) => boolean) | SqlText): Pick<Aggregated, "into">;
  into(view: ViewSpec): void;
}

/** Begins at a table, `schema.table`: at its inserts, or at its rows as they stand. */
export interface From<Db extends Tables> {
  <T extends ColumnOf<Db>>(
    table: T,
    options?: TableOptions<RowOf<Db[T]>>,
  ): Table<RowOf<Db[T]>, ChangeOf<Db[T]>>;
  <T extends ColumnOf<Db>>(table: T, options: FromOptions<RowOf<Db[T]>>): Stream<RowOf<Db[T]>>;
}

/** Where a pipeline reads and writes, and how it runs. */
export interface PipelineOptions extends RunOptions {
  readonly source: SlotSpec;
  /** Where results go. Default: the source database. */
  readonly results?: PostgresSpec;
  /** Where checkpoints go: `postgres`, `redis` or `file`. Default: the results database. */
  readonly checkpoint?: CheckpointSpec;
}

/** A pipeline as written: its plan and its options, not yet completed with defaults. */
export interface PipelineDefinition {
  readonly name: string;
  readonly plan: Plan;
  readonly source: SlotSpec;
  readonly results: PostgresSpec;
  readonly checkpoint: CheckpointSpec;
  readonly run: RunOptions;
}

/**
 * Defines a pipeline. Nothing runs yet: the result is a value, for `defineConfig` or `run`. The
 * name is part of where state is kept; changing it starts anew.
 */
export function pipeline<Db extends Tables>(
  name: string,
  options: PipelineOptions,
  build: (from: From<Db>) => void,
): PipelineDefinition {
  if (!/^[a-z][a-z0-9_]{0,47}$/.test(name)) {
    throw new TidemarkError(
      "CONFIG_INVALID",
      `pipeline(name): "${name}" is no name; it takes a lower-case letter, then up to 47 letters, digits or underscores.`,
    );
  }
  const { source, results, checkpoint, ...run } = options;
  if (source?.kind !== "slot") {
    throw new TidemarkError("CONFIG_INVALID", "pipeline(): option source takes slot({ ... }).");
  }
  const nodes: PlanNode[] = [];
  build(fromTable(nodes) as unknown as From<Db>);
  checkNodes(nodes);
  return Object.freeze({
    name,
    plan: Object.freeze({ pipeline: name, nodes: Object.freeze(nodes) }),
    source,
    results: results ?? postgres({}),
    checkpoint: checkpoint ?? postgres({}),
    run: checkRunOptions(run),
  });
}

function fromTable(nodes: PlanNode[]) {
  return (
    table: string,
    options: Partial<FromOptions<Record<string, Timestamp>>> = {},
  ): Stream<Row> | Table<Row, Change<Row>> => {
    if (options.appendOnly === true) {
      const copy = options.copy ?? false;
      return streamOf(nodes, addSource(nodes, table, { ...options, reads: "inserts", copy }));
    }
    const copy = options.copy ?? true;
    // A table's changes and its rows are read by steps of their own, made when they are asked for.
    let rows: string | undefined;
    const stand = (): Stream<Row> => {
      rows ??= addSource(nodes, table, { ...options, reads: "rows", copy });
      return streamOf(nodes, rows);
    };
    return {
      changes: () => {
        const changes = { ...options, reads: "changes", copy: false } as const;
        return changesOf(nodes, addSource(nodes, table, changes));
      },
      filter: (predicate) => stand().filter(predicate),
      groupBy: (...keys) => stand().groupBy(...keys),
    };
  };
}

function changesOf(nodes: PlanNode[], input: string): Changes<Row, Change<Row>> {
  return {
    filter(predicate) {
      if (typeof predicate !== "function") {
        throw new TidemarkError(
          "PLAN_INVALID",
          `${input}: changes().filter() takes a function of a change; SQL conditions are for rows.`,
        );
      }
      const id = uniqueId(nodes, `${input} filter`);
      nodes.push({ op: "filterChanges", id, input, predicate });
      return changesOf(nodes, id);
    },
    into: (append) => addAppend(nodes, input, append),
  };
}

function streamOf(nodes: PlanNode[], input: string): Stream<Row> {
  return {
    filter(predicate) {
      const id = uniqueId(nodes, `${input} filter`);
      nodes.push({ op: "filter", id, input, predicate: predicate as FilterNode["predicate"] });
      return streamOf(nodes, id);
    },
    groupBy(...keys) {
      const windowed = (window: WindowSpec | null, options: WindowOptions = {}): Windowed<Row> => ({
        aggregate(aggregates) {
          const parts = { input, keys, window, aggregates, options };
          return {
            having: (having) => ({ into: (view) => addView(nodes, { ...parts, view, having }) }),
            into: (view) => addView(nodes, { ...parts, view }),
          };
        },
      });
      return { window: windowed, ...windowed(null) };
    },
    keyBy: (...keys) => keyedRows({ nodes, input, keys }),
    into: (append) => addAppend(nodes, input, append),
  };
}

function addAppend(nodes: PlanNode[], input: string, append: AppendSpec): void {
  const { table, columns, retainMs } = append;
  nodes.push({ op: "append", id: `append ${table}`, input, table, columns, retainMs });
}

interface ViewParts {
  readonly input: string;
  readonly keys: readonly string[];
  readonly window: WindowSpec | null;
  readonly view: ViewSpec;
  readonly aggregates: Readonly<Record<string, AggregateSpec>>;
  readonly options: WindowOptions;
  readonly having?: NonNullable<WindowNode["having"]>;
}

function addView(nodes: PlanNode[], parts: ViewParts): void {
  const { input, keys, window, view, options, having } = parts;
  const emission = window === null ? EMIT_CHANGES : emissionOf(window, options);
  const node: WindowNode = {
    op: "window",
    id: `window ${view.table}`,
    input,
    keys,
    window,
    emission,
    aggregates: aggregatePlans(parts.aggregates),
    ...(having === undefined ? {} : { having }),
  };
  const { table, retainMs } = view;
  nodes.push(node, { op: "view", id: `view ${table}`, input: node.id, table, retainMs });
  const late = options.late ?? { table: `${table}_late`, retainMs };
  // Where windows take every row as long as their own rows stay, none is late.
  if (emission === EMIT_CHANGES || isEmitChanges(emission)) {
    if (options.late === undefined) return;
    throw new TidemarkError(
      "PLAN_INVALID",
      `${node.id}: no row is late for windows that do not close; add lateness, or leave late out.`,
    );
  }
  nodes.push({ op: "late", id: `late ${late.table}`, input: node.id, ...lateTable(late) });
}

function isEmitChanges({ early, latenessMs }: WindowNode["emission"]): boolean {
  return early === "flush" && latenessMs === null;
}

function lateTable({ table, retainMs }: Pick<AppendSpec, "table" | "retainMs">) {
  return { table, retainMs };
}

/** Refuses plans that name a thing twice or do nothing. */
function checkNodes(nodes: readonly PlanNode[]): void {
  const invalid = (message: string) => new TidemarkError("PLAN_INVALID", message);
  const tables = new Set<string>();
  for (const node of nodes) {
    if ("table" in node && node.op !== "source") {
      if (tables.has(node.table)) {
        throw invalid(`Two outputs write ${node.table}: give each its own table.`);
      }
      tables.add(node.table);
    }
    if (node.op === "append") checkColumns(node);
    if (node.op !== "window") continue;
    const { window } = node;
    const time = window === null ? [] : [window.column, window.otherColumn ?? []].flat();
    const names = [...node.keys, ...time, ...node.aggregates.map((a) => a.name)];
    const twice = names.find((name, i) => names.indexOf(name) !== i);
    if (twice !== undefined) {
      throw invalid(
        `${node.id}: two columns are called "${twice}"; rename the aggregate or window.`,
      );
    }
    if (node.aggregates.length === 0) throw invalid(`${node.id} computes nothing: add count().`);
    checkGroups(node, nodes);
  }
  if (tables.size === 0) {
    throw invalid(
      "The pipeline has no output: end a stream with .into(postgres.view(...)) or " +
        ".into(postgres.append(...)).",
    );
  }
}

/** A row of a view needs something that names it, and only windows end. */
function checkGroups(node: WindowNode, nodes: readonly PlanNode[]): void {
  if (node.window !== null) return;
  const problem = nodes.some((n) => n.op === "view" && n.input === node.id && n.retainMs !== null)
    ? "retain removes windows by their end, and there is no window: leave it out, or add .window()"
    : node.keys.length === 0
      ? "without groups and without a window nothing names its row: group by a column"
      : null;
  if (problem !== null) throw new TidemarkError("PLAN_INVALID", `${node.id}: ${problem}.`);
}

function checkColumns({ id, columns }: AppendNode): void {
  const twice = columns?.find((name, i) => columns.indexOf(name) !== i);
  if (twice === undefined && columns?.length !== 0) return;
  throw new TidemarkError(
    "PLAN_INVALID",
    twice === undefined
      ? `${id} keeps no column: name at least one, or leave columns out to keep all.`
      : `${id} names column "${twice}" twice.`,
  );
}

/** What a configuration file exports. */
export interface TidemarkConfig {
  readonly pipeline: PipelineDefinition;
}

/** Marks the default export of a configuration file. */
export function defineConfig(definition: PipelineDefinition): TidemarkConfig {
  return Object.freeze({ pipeline: definition });
}
