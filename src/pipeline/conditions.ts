import type { CatalogTable } from "../core/catalog.js";
import { errorOfStep, TidemarkError } from "../core/errors.js";
import type { Row } from "../core/row.js";
import { checkCondition } from "../expression/check/check-expression.js";
import { type Grammar, loadGrammar } from "../expression/grammar.js";
import { rowScope } from "../expression/scope.js";
import { isSqlText, type SqlText } from "../expression/sql-text.js";
import { type Expression, referencesOf } from "../expression/tree.js";
import { type ElementDefinition, stepsOf } from "../operators/pattern/definition.js";
import { conditionTest, functionTest, type RowTest } from "../operators/row-test.js";
import { nodesOf, type Plan, type SourceNode, sourceOf } from "./plan.js";
import { checkStepTest, hasSql, type StepTest } from "./step-tests.js";

/** Columns of its table that a step's conditions read. */
export interface TestedColumns {
  /** The step that they belong to. */
  readonly step: string;
  readonly columns: readonly string[];
}

/** A condition as it was written, and where. */
export interface WrittenCondition {
  /** Unique in the plan. */
  readonly id: string;
  /** The step that it belongs to. */
  readonly step: string;
  readonly predicate: ((row: Row) => boolean) | SqlText;
}

/** The conditions of a plan: of its filters, and of aggregates that count only some rows. */
export function conditionsOf(plan: Plan): WrittenCondition[] {
  const filters = nodesOf(plan, "filter").map(({ id, predicate }) => ({ id, step: id, predicate }));
  const aggregates = nodesOf(plan, "window").flatMap(({ id, aggregates: all }) =>
    all.flatMap(({ name, where }) =>
      where === undefined ? [] : [{ id: `${id} ${name}`, step: id, predicate: where }],
    ),
  );
  return [...filters, ...aggregates];
}

/** The test of a condition. Throws PLAN_INVALID where its table is not described. */
export function testOf(
  { id, predicate }: Omit<WrittenCondition, "step">,
  conditions: ReadonlyMap<string, Condition>,
): RowTest {
  if (typeof predicate === "function") return functionTest(predicate);
  const condition = conditions.get(id);
  if (condition !== undefined) return conditionTest(condition.tree, condition.text);
  throw new TidemarkError("PLAN_INVALID", `${id}: the table is not described.`);
}

/** A condition, checked against its table. */
export interface Condition extends TestedColumns {
  readonly text: string;
  readonly tree: Expression;
}

/** The grammar if the plan has expressions, else null: then it is not loaded. */
export async function grammarFor(plan: Plan): Promise<Grammar | null> {
  const havings = nodesOf(plan, "window").map(({ having }) => having);
  const all = [...conditionsOf(plan).map(({ predicate }) => predicate), ...havings];
  const isUsed =
    all.some(isSqlText) ||
    nodesOf(plan, "match").some(({ pattern }) => testsOf(pattern.elements).some(hasSql));
  return isUsed ? await loadGrammar() : null;
}

/**
 * The conditions of a plan by their ids. Throws EXPRESSION_INVALID, naming the step. Tables
 * that are not described are left out.
 */
export function checkConditions(
  plan: Plan,
  tables: readonly CatalogTable[],
  grammar: Grammar | null,
): ReadonlyMap<string, Condition> {
  const conditions = new Map<string, Condition>();
  for (const { id, step, predicate } of conditionsOf(plan)) {
    if (!isSqlText(predicate)) continue;
    const source = sourceOf(plan, step);
    const table = tables.find((t) => t.qualifiedName === source.table);
    if (table === undefined) continue;
    if (grammar === null) throw new Error("a plan with expressions is compiled with a grammar");
    conditions.set(id, check(grammar, predicate.text, { table, source, id, step }));
  }
  return conditions;
}

/**
 * The columns that the conditions of a plan's patterns read, by step. Throws EXPRESSION_INVALID,
 * naming the step. Tables that are not described are left out.
 */
export function columnsOfPatterns(
  plan: Plan,
  tables: readonly CatalogTable[],
  grammar: Grammar | null,
): ReadonlyMap<string, TestedColumns> {
  const columns = new Map<string, TestedColumns>();
  for (const { id, pattern } of nodesOf(plan, "match")) {
    const source = sourceOf(plan, id);
    const table = tables.find((t) => t.qualifiedName === source.table);
    if (table === undefined) continue;
    const steps = stepsOf(pattern.elements).map(({ name }) => name);
    const checked = testsOf(pattern.elements).map((test) =>
      checkStepTest(test, { id, table, steps, grammar }),
    );
    columns.set(id, { step: id, columns: checked.flatMap((test) => test.columns) });
  }
  return columns;
}

/** Every condition of a pattern, those of groups included. */
function testsOf(elements: readonly ElementDefinition<StepTest>[]): StepTest[] {
  return elements.flatMap((element) => {
    const own = element.kind === "step" ? [element.where, element.until] : [element.until];
    const inside = element.kind === "group" ? testsOf(element.elements) : [];
    return [...own.filter((test) => test !== null), ...inside];
  });
}

function check(
  grammar: Grammar,
  text: string,
  where: Pick<WrittenCondition, "id" | "step"> & { table: CatalogTable; source: SourceNode },
): Condition {
  const { table, source, id, step } = where;
  const { name, columns: all, collation = null } = table;
  // A row that leaves has to get the answer that it got when it came, at another commit.
  const hasNow = source.reads === "inserts";
  const scope = rowScope({ table: name, columns: all, collation, hasNow });
  try {
    const tree = checkCondition(grammar, text, scope);
    const names = new Set(table.columns.map((column) => column.name));
    const columns = referencesOf(tree).flatMap(({ key }) => (names.has(key) ? [key] : []));
    return { step, text, tree, columns };
  } catch (error) {
    if (!(error instanceof TidemarkError)) throw error;
    throw errorOfStep(error, id);
  }
}
