import type { CatalogColumn, CatalogTable } from "../core/catalog.js";
import { TidemarkError } from "../core/errors.js";
import type { Operator, OutputOperator } from "../core/operator.js";
import type { OutputShape } from "../core/output.js";
import { quoteTable } from "../core/sql.js";
import type { Grammar } from "../expression/grammar.js";
import { AppendOperator } from "../operators/append/append-operator.js";
import { appendShape } from "../operators/append/append-shape.js";
import { changeTest } from "../operators/change-test.js";
import { FilterOperator } from "../operators/filter-operator.js";
import { DEAD_LETTER_SHAPE, DeadLetters } from "../operators/poison/dead-letters.js";
import { PoisonGate } from "../operators/poison/poison-gate.js";
import type { RowTest } from "../operators/row-test.js";
import { SourceOperator, type SourceOperatorOptions } from "../operators/source-operator.js";
import { withHaving } from "./compile-having.js";
import { compileMatch, matchColumns } from "./compile-match.js";
import { compileWindow, windowColumns } from "./compile-window.js";
import {
  type Condition,
  checkConditions,
  conditionsOf,
  type TestedColumns,
  testOf,
} from "./conditions.js";
import { type AppendNode, nodesOf, type Plan, type SourceNode, sourceOf } from "./plan.js";

/** A plan with its types checked, as operators that are wired up. */
export interface CompiledPlan {
  readonly sources: readonly SourceOperator[];
  readonly outputs: readonly OutputOperator[];
  readonly shapes: readonly OutputShape[];
  /** The last of the outputs; has a shape only if some source sends rows there. */
  readonly letters: DeadLetters;
}

/**
 * Checks a plan against the catalogue and makes its operators. Throws PLAN_INVALID for a column
 * that does not exist or a type that cannot do what is asked, naming the step. A plan with
 * expressions needs the grammar (`grammarFor`).
 */
export function compilePlan(
  plan: Plan,
  tables: readonly CatalogTable[],
  grammar: Grammar | null = null,
): CompiledPlan {
  const tableOf = (source: SourceNode): CatalogTable => describedTable(tables, source);
  if (nodesOf(plan, "source").some((node) => node.reads !== "inserts")) {
    refuseWithoutIdentity(tables);
  }
  const conditions = checkConditions(plan, tables, grammar);
  const partsOf = (node: { readonly id: string; readonly input: string }) => {
    const source = sourceOf(plan, node.input);
    const table = tableOf(source);
    return {
      ...{ plan, source, table },
      columnOf: (name: string) => columnOf(table, name, node.id),
      keyOf: (name: string) => groupableColumn(table, name, node.id),
    };
  };
  const windows = nodesOf(plan, "window").flatMap((node) => {
    const parts = { ...partsOf(node), node, conditions };
    const compiled = compileWindow({ ...parts, timeType: () => eventTimeType(parts) });
    return compiled.map((one) => withHaving(one, { node, grammar }));
  });
  const appends = nodesOf(plan, "append").map((node) => ({
    node,
    ...compileAppend(node, partsOf(node)),
  }));
  const matches = nodesOf(plan, "match").flatMap((node) =>
    compileMatch({ ...partsOf(node), node, grammar }),
  );
  refuseCopies(plan);
  const outputs = [...windows, ...appends, ...matches];
  const tests = new Map<string, TestedColumns>([
    ...conditions,
    ...matches.map(({ node: { id }, tested }) => [id, { step: id, columns: tested }] as const),
  ]);
  const letters = new DeadLetters(plan.pipeline);
  const operatorsInto = (input: string, gate: PoisonGate | null): Operator[] => [
    ...outputs.filter((output) => output.node.input === input).map(({ operator }) => operator),
    ...filtersBehind(plan, input, conditions).map(
      ({ id, test }) => new FilterOperator({ id, test, gate, next: operatorsInto(id, gate) }),
    ),
  ];
  const sources = nodesOf(plan, "source").map((node) => {
    const used = [...columnsUsed(plan, node), ...columnsTested(plan, node, tests)];
    const columns = [...new Set(node.eventTime === null ? used : [node.eventTime, ...used])];
    const gate = compileGate(node, tableOf(node), { columns, letters });
    return new SourceOperator({
      ...oldRowsOf(plan, node, { table: tableOf(node), columns }),
      id: node.id,
      table: node.table,
      eventTimeColumn: node.eventTime,
      outOfOrderMs: node.outOfOrderMs,
      isCopied: node.copy,
      columns: [...new Set([...columns, ...(node.poison?.blockBy ?? [])])],
      gate,
      next: operatorsInto(node.id, gate),
    });
  });
  return {
    sources,
    outputs: [...outputs.map(({ operator }) => operator), letters],
    shapes: [
      ...outputs.map(({ shape }) => shape),
      ...(nodesOf(plan, "source").some(({ poison }) => poison) ? [DEAD_LETTER_SHAPE] : []),
    ],
    letters,
  };
}

/** The filters that take what step `input` gives, and their tests. */
function filtersBehind(
  plan: Plan,
  input: string,
  conditions: ReadonlyMap<string, Condition>,
): { id: string; test: RowTest }[] {
  const isNext = (node: { readonly input: string }): boolean => node.input === input;
  const ofRows = nodesOf(plan, "filter").filter(isNext);
  const ofChanges = nodesOf(plan, "filterChanges").filter(isNext);
  return [
    ...ofRows.map(({ id, predicate }) => ({ id, test: testOf({ id, predicate }, conditions) })),
    ...ofChanges.map(({ id, predicate }) => ({ id, test: changeTest(predicate) })),
  ];
}

function describedTable(tables: readonly CatalogTable[], { id, table }: SourceNode): CatalogTable {
  const found = tables.find(({ qualifiedName }) => qualifiedName === table);
  if (found === undefined) throw invalid(`${id}: the table is not described`);
  return found;
}

/** Rows of a copy come in no order and belong to no transaction. */
function refuseCopies(plan: Plan): void {
  for (const step of [...nodesOf(plan, "append"), ...nodesOf(plan, "match")]) {
    const { id, table, reads, copy } = sourceOf(plan, step.input);
    if (!copy || reads === "rows") continue;
    throw invalid(
      `${step.id}: ${id} says copy: true, and copied rows have no place in the order of the ` +
        `commits, which this step follows; begin it at a from("${table}") of its own, without copy`,
    );
  }
}

function compileGate(
  { id, poison }: SourceNode,
  table: CatalogTable,
  parts: { readonly columns: readonly string[]; readonly letters: DeadLetters },
): PoisonGate | null {
  if (poison === undefined) return null;
  const { mask, blockBy } = poison;
  for (const name of [...mask, ...(blockBy ?? [])]) columnOf(table, name, id);
  return new PoisonGate({ source: id, mask, blockBy, ...parts });
}

/** Columns of a source that the conditions behind it read. */
export function columnsTested(
  plan: Plan,
  source: SourceNode,
  conditions: ReadonlyMap<string, TestedColumns>,
): string[] {
  return [...conditions.values()].flatMap(({ step, columns }) =>
    sourceOf(plan, step) === source ? columns : [],
  );
}

/** Columns that the steps behind a source name. */
export function columnsUsed(plan: Plan, source: SourceNode): string[] {
  const isBehind = ({ input }: { readonly input: string }) => sourceOf(plan, input) === source;
  const ofWindows = nodesOf(plan, "window")
    .filter(isBehind)
    .flatMap((node) => windowColumns(node, source.eventTime));
  return [...ofWindows, ...nodesOf(plan, "match").filter(isBehind).flatMap(matchColumns)];
}

/** How a source is read, and where the old rows of updates and deletes come from. */
function oldRowsOf(
  plan: Plan,
  node: SourceNode,
  { table, columns }: { table: CatalogTable; columns: readonly string[] },
): Pick<SourceOperatorOptions, "mode" | "keptColumns" | "keyColumns"> {
  if (node.reads !== "rows") return { mode: node.reads };
  if (table.replicaIdentity === "full") return { mode: "images" };
  // What a function reads is not known, so that its filter needs the whole row.
  const isFiltered = conditionsOf(plan).some(
    ({ step, predicate }) => typeof predicate === "function" && sourceOf(plan, step) === node,
  );
  const key = table.columns.filter(({ name }) => table.identityKey.includes(name));
  return {
    mode: "kept",
    keptColumns: isFiltered ? table.columns.map(({ name }) => name) : columns,
    keyColumns: key.map(({ name }) => name).join(", "),
  };
}

function compileAppend(
  node: AppendNode,
  { source, table }: { readonly source: SourceNode; readonly table: CatalogTable },
): { operator: AppendOperator; shape: OutputShape } {
  const columns =
    node.columns === null
      ? table.columns
      : node.columns.map((name) => columnOf(table, name, node.id));
  const isAppendOnly = source.reads === "inserts";
  const shape = appendShape({ step: node.id, table: node.table, columns, isAppendOnly });
  const { id, retainMs } = node;
  return { operator: new AppendOperator({ id, shape, columns, isAppendOnly, retainMs }), shape };
}

/**
 * Of a table without a replica identity PostgreSQL publishes no update and no delete, so that a
 * stream of every change would lack them; and a publication made for several tables sends only
 * inserts as soon as one of them has none.
 */
function refuseWithoutIdentity(tables: readonly CatalogTable[]): void {
  const table = tables.find(
    ({ replicaIdentity, identityKey }) => replicaIdentity !== "full" && identityKey.length === 0,
  );
  if (table === undefined) return;
  throw invalid(
    `${table.qualifiedName} has neither a primary key nor another replica identity, so that its ` +
      "updates and deletes cannot be published; add a primary key, or run: ALTER TABLE " +
      `${quoteTable(table.qualifiedName)} REPLICA IDENTITY FULL`,
  );
}

const ZONED = "timestamp with time zone";
const LOCAL = "timestamp without time zone";

/** The type of the window column: that of the event time. */
function eventTimeType({ table, source }: { table: CatalogTable; source: SourceNode }): string {
  if (source.eventTime === null) return ZONED;
  const column = columnOf(table, source.eventTime, source.id);
  if (column.codec.readEpochMs === undefined) {
    throw invalid(
      `${source.id}: event time "${column.name}" has type ${column.typeName}; it takes a ` +
        "timestamp, or leave eventTime out to use the commit's time",
    );
  }
  return column.codec.typeName === ZONED ? ZONED : LOCAL;
}

function columnOf(table: CatalogTable, name: string, step: string): CatalogColumn {
  const column = table.columns.find((c) => c.name === name);
  if (column !== undefined) return column;
  const names = table.columns.map((c) => c.name).join(", ");
  throw invalid(`${step}: ${table.qualifiedName} has no column "${name}"; it has ${names}`);
}

function groupableColumn(table: CatalogTable, name: string, step: string): CatalogColumn {
  const column = columnOf(table, name, step);
  if (!column.codec.hasCanonicalBytes) throw notGroupable(step, column);
  return column;
}

function notGroupable(step: string, column: CatalogColumn): TidemarkError {
  return invalid(
    `${step}: grouping by "${column.name}" is not supported, because values of type ` +
      `${column.typeName} can be equal and print differently; group by text, integers, ` +
      "booleans, uuid, dates or timestamps",
  );
}

function invalid(message: string): TidemarkError {
  return new TidemarkError("PLAN_INVALID", `${message}.`);
}
