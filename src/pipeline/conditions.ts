import type { CatalogTable } from "../core/catalog.js";
import { TidemarkError } from "../core/errors.js";
import { checkCondition } from "../expression/check/check-expression.js";
import { type Grammar, loadGrammar } from "../expression/grammar.js";
import { rowScope } from "../expression/scope.js";
import { isSqlText } from "../expression/sql-text.js";
import { type Expression, referencesOf } from "../expression/tree.js";
import { type ElementDefinition, stepsOf } from "../operators/pattern/definition.js";
import { nodesOf, type Plan, type SourceNode, sourceOf } from "./plan.js";
import { checkStepTest, hasSql, type StepTest } from "./step-tests.js";

/** Columns of its table that a step's conditions read. */
export interface TestedColumns {
  readonly columns: readonly string[];
}

/** A filter's condition, checked against its table. */
export interface Condition extends TestedColumns {
  readonly text: string;
  readonly tree: Expression;
}

/** The grammar if the plan has expressions, else null: then it is not loaded. */
export async function grammarFor(plan: Plan): Promise<Grammar | null> {
  const isUsed =
    nodesOf(plan, "filter").some(({ predicate }) => isSqlText(predicate)) ||
    nodesOf(plan, "match").some(({ pattern }) => testsOf(pattern.elements).some(hasSql));
  return isUsed ? await loadGrammar() : null;
}

/**
 * The conditions of a plan's filters by step. Throws EXPRESSION_INVALID, naming the step. Tables
 * that are not described are left out.
 */
export function checkConditions(
  plan: Plan,
  tables: readonly CatalogTable[],
  grammar: Grammar | null,
): ReadonlyMap<string, Condition> {
  const conditions = new Map<string, Condition>();
  for (const { id, predicate } of nodesOf(plan, "filter")) {
    if (!isSqlText(predicate)) continue;
    const source = sourceOf(plan, id);
    const table = tables.find((t) => t.qualifiedName === source.table);
    if (table === undefined) continue;
    if (grammar === null) throw new Error("a plan with expressions is compiled with a grammar");
    conditions.set(id, check(grammar, predicate.text, { table, source, step: id }));
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
    columns.set(id, { columns: checked.flatMap((test) => test.columns) });
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
  where: { readonly table: CatalogTable; readonly source: SourceNode; readonly step: string },
): Condition {
  const { table, source, step } = where;
  const { name, columns: all, collation = null } = table;
  // A row that leaves has to get the answer that it got when it came, at another commit.
  const hasNow = source.reads === "inserts";
  const scope = rowScope({ table: name, columns: all, collation, hasNow });
  try {
    const tree = checkCondition(grammar, text, scope);
    const names = new Set(table.columns.map((column) => column.name));
    const columns = referencesOf(tree).flatMap(({ key }) => (names.has(key) ? [key] : []));
    return { text, tree, columns };
  } catch (error) {
    if (!(error instanceof TidemarkError)) throw error;
    const { code, message, detail } = error;
    throw new TidemarkError(code, `${step}: ${message}`, { cause: error, detail });
  }
}
