import type { CatalogColumn, CatalogTable } from "../core/catalog.js";
import type { OutputOperator } from "../core/operator.js";
import type { OutputShape } from "../core/output.js";
import type { Grammar } from "../expression/grammar.js";
import { AppendOperator } from "../operators/append/append-operator.js";
import { appendShape } from "../operators/append/append-shape.js";
import type { Automaton } from "../operators/pattern/automaton.js";
import { compilePattern } from "../operators/pattern/compile-pattern.js";
import { type ElementDefinition, stepsOf } from "../operators/pattern/definition.js";
import { MatchOutput, type SelectedColumn } from "../operators/pattern/match-output.js";
import { matchShape } from "../operators/pattern/match-shape.js";
import { PatternOperator } from "../operators/pattern/pattern-operator.js";
import { RowConditions } from "../operators/pattern/row-conditions.js";
import { RowKeeper } from "../operators/pattern/row-event.js";
import { type MatchesNode, type MatchNode, nodesOf, type Plan, type SourceNode } from "./plan.js";
import { type CheckedTest, checkStepTest, type StepTest } from "./step-tests.js";

/** A step of the plan with what it became. */
interface Compiled {
  readonly node: MatchNode | MatchesNode;
  readonly operator: OutputOperator;
  readonly shape: OutputShape;
  /** Columns of the source that its conditions read. */
  readonly tested: readonly string[];
}

/** What a match is compiled from. `columnOf` finds a column or throws PLAN_INVALID. */
export interface MatchParts {
  readonly plan: Plan;
  readonly node: MatchNode;
  readonly source: SourceNode;
  readonly table: CatalogTable;
  readonly grammar: Grammar | null;
  readonly columnOf: (name: string) => CatalogColumn;
  /** As `columnOf`, and refuses a column whose equal values can have different texts. */
  readonly keyOf: (name: string) => CatalogColumn;
}

/** The operator of a pattern, which takes the rows, and those of its outputs. */
export function compileMatch(parts: MatchParts): Compiled[] {
  const { plan, node, source, table } = parts;
  const { automaton, conditions: written } = compilePattern(node.pattern);
  const steps = stepsOf(node.pattern.elements).map(({ name }) => name);
  const conditions = written.map((test) => checkStepTest(test, { ...parts, id: node.id, steps }));
  const kept = keptColumns(parts, conditions);
  const keeper = new RowKeeper(
    table.qualifiedName,
    kept.map((column) => ({ ...column, typeModifier: -1 })),
  );
  const outputs = nodesOf(plan, "matches").filter((one) => one.input === node.id);
  const output = (kind: MatchesNode["kind"]): MatchesNode | undefined =>
    outputs.find((one) => one.kind === kind);
  const matched = matchOutput(parts, { output: output("matched"), automaton, keeper });
  const timedOut = matchOutput(parts, { output: output("timedOut"), automaton, keeper });
  const late = lateOutput(table, output("late"));
  if (matched === null) throw new Error(`${node.id} has no output`);
  const operator = new PatternOperator({
    id: node.id,
    facts: factsOf(node, source, kept),
    keys: node.keys,
    automaton,
    conditions: new RowConditions({
      id: node.id,
      table: table.qualifiedName,
      conditions,
      steps: automaton.steps,
      keeper,
    }),
    afterMatch: node.pattern.afterMatch,
    keeper,
    isCommitTime: source.eventTime === null,
    maxRuns: node.maxRuns,
    overflow: node.overflow,
    matches: matched.operator,
    timeouts: timedOut?.operator ?? null,
    late: late?.operator ?? null,
  });
  const others = [timedOut, late].filter((one) => one !== null);
  const tested = conditions.flatMap(({ columns }) => columns);
  return [{ node, operator, shape: matched.shape, tested }, ...others];
}

/** Columns of its input that a match names outside of conditions. */
export function matchColumns(node: MatchNode): string[] {
  return [...node.keys, ...node.select.flatMap(({ column }) => column ?? [])];
}

/**
 * What runs keep of a row: the columns that are selected or looked back at; all of them when a
 * function may look back at it, or when the row waits for the watermark and its conditions are
 * asked only then.
 */
function keptColumns(
  { node, source, table, columnOf }: MatchParts,
  conditions: readonly CheckedTest[],
): readonly CatalogColumn[] {
  const back = conditions.map(({ columnsBack }) => columnsBack);
  if (source.eventTime !== null || back.includes(null)) return table.columns;
  const selected = node.select.flatMap(({ column }) => column ?? []);
  return [...new Set([...selected, ...back.flatMap((columns) => columns ?? [])])].map(columnOf);
}

function matchOutput(
  { node, columnOf, keyOf }: MatchParts,
  to: {
    readonly output: MatchesNode | undefined;
    readonly automaton: Automaton;
    readonly keeper: RowKeeper;
  },
): (Compiled & { readonly operator: MatchOutput }) | null {
  const { output, automaton, keeper } = to;
  if (output === undefined) return null;
  const columns = node.select.map(({ name, column }) => {
    return { name, sqlType: column === null ? "bigint" : columnOf(column).typeName };
  });
  const shape = matchShape({
    step: node.id,
    table: output.table,
    timeColumn: output.kind === "matched" ? "_matched_at" : "_timed_out_at",
    keys: node.keys.map((name) => ({ name, sqlType: keyOf(name).typeName })),
    selected: columns,
  });
  const names = keeper.columns.map(({ name }) => name);
  const select = node.select.map(({ step, of, column }): SelectedColumn => {
    const index = column === null ? -1 : names.indexOf(column);
    return { step: automaton.steps.indexOf(step), of, column: index };
  });
  const operator = new MatchOutput({
    id: output.id,
    pattern: node.id,
    shape,
    keyCount: node.keys.length,
    select,
    steps: automaton.steps,
    keeper,
    retainMs: output.retainMs,
  });
  return { node: output, operator, shape, tested: [] };
}

/** Late rows go to an append table of the source's rows. */
function lateOutput(table: CatalogTable, output: MatchesNode | undefined): Compiled | null {
  if (output === undefined) return null;
  const { id, retainMs } = output;
  const { columns } = table;
  const shape = appendShape({ step: id, table: output.table, columns, isAppendOnly: true });
  const operator = new AppendOperator({ id, shape, columns, isAppendOnly: true, retainMs });
  return { node: output, operator, shape, tested: [] };
}

/** What saved runs mean: another order of steps would read them as something else. */
function factsOf(
  node: MatchNode,
  source: SourceNode,
  kept: readonly CatalogColumn[],
): Record<string, string> {
  return {
    input: node.input,
    keys: node.keys.join(", "),
    "event time": source.eventTime ?? "commit time",
    steps: node.pattern.elements.map(elementText).join(" "),
    "kept columns": kept.map(({ name, typeName }) => `${name} ${typeName}`).join(", "),
  };
}

/** An element in the words of the builder. */
function elementText(element: ElementDefinition<StepTest>): string {
  const { quantifier: q, contiguity, until } = element;
  const inside =
    element.kind === "step" ? element.name : `(${element.elements.map(elementText).join(" ")})`;
  const isOnce = q.min === 1 && q.max === 1;
  const words = [
    isOnce ? "" : `times ${q.min} to ${q.max ?? "any"} ${q.inner}`,
    q.isOptional ? "optional" : "",
    q.isGreedy ? "greedy" : "",
    until === null ? "" : "until",
  ];
  return [contiguity, inside, ...words].filter((word) => word !== "").join(" ");
}
