import type { CatalogTable } from "../core/catalog.js";
import { errorOfStep, TidemarkError } from "../core/errors.js";
import { checkCondition } from "../expression/check/check-expression.js";
import { compileCondition } from "../expression/compile/compile-expression.js";
import type { Grammar } from "../expression/grammar.js";
import { type Named, namedColumn } from "../expression/scope.js";
import { isSqlText, type SqlText } from "../expression/sql-text.js";
import { referencesOf } from "../expression/tree.js";
import { type EventFrame, eventReader } from "../operators/pattern/event-reader.js";
import { eventReference } from "../operators/pattern/event-reference.js";
import type { MatchedRows, RowCondition } from "../operators/pattern/row-conditions.js";
import { eventScope } from "./event-scope.js";

/** A step's condition as it was written: a function, SQL, or several of them. */
export type StepTest =
  | SqlText
  | ({ readonly kind: "function" } & RowCondition)
  | { readonly kind: "and" | "or"; readonly of: readonly [StepTest, StepTest] };

/** A condition that can be asked. */
export interface CheckedTest extends RowCondition {
  /** Columns of the table that it reads, as far as that is known. */
  readonly columns: readonly string[];
  /** Columns that it reads of rows that were taken; null: any. */
  readonly columnsBack: readonly string[] | null;
}

/** What a condition in SQL is checked with. */
export interface StepTestParts {
  /** The step of the pipeline, for messages. */
  readonly id: string;
  readonly table: CatalogTable;
  /** The pattern's steps. */
  readonly steps: readonly string[];
  readonly grammar: Grammar | null;
}

/** Whether some part of a condition is SQL, so that the grammar is needed. */
export function hasSql(test: StepTest): boolean {
  return test.kind === "sql" || ("of" in test && test.of.some(hasSql));
}

/** Checks and compiles a condition. Throws EXPRESSION_INVALID, naming the step. */
export function checkStepTest(test: StepTest, parts: StepTestParts): CheckedTest {
  if (isSqlText(test)) return checkSql(test, parts);
  if (test.kind === "function") {
    return { ...test, columns: [], columnsBack: test.looksBack ? null : [] };
  }
  const [a, b] = test.of.map((one) => checkStepTest(one, parts)) as [CheckedTest, CheckedTest];
  const columnsBack =
    a.columnsBack === null || b.columnsBack === null ? null : [...a.columnsBack, ...b.columnsBack];
  return {
    looksBack: a.looksBack || b.looksBack,
    columns: [...a.columns, ...b.columns],
    columnsBack,
    test:
      test.kind === "and"
        ? (row, matched) => a.test(row, matched) && b.test(row, matched)
        : (row, matched) => a.test(row, matched) || b.test(row, matched),
  };
}

function checkSql({ text }: SqlText, parts: StepTestParts): CheckedTest {
  const { id, table, steps, grammar } = parts;
  if (grammar === null) throw new Error("a plan with expressions is compiled with a grammar");
  try {
    const tree = checkCondition(grammar, text, eventScope(table, steps));
    const asked = referencesOf(tree).map(({ key }) => eventReference(key));
    const back = asked.filter(({ of }) => of !== "row");
    const holds = compileCondition(tree, text, eventReader(columnsOf(table)));
    const frame: EventFrame = { row: null as never, matched: {} };
    return {
      looksBack: back.length > 0,
      columns: asked.map(({ column }) => column).filter((column) => column !== ""),
      columnsBack: back.map(({ column }) => column).filter((column) => column !== ""),
      test(row, matched: MatchedRows) {
        frame.row = row;
        frame.matched = matched;
        return holds(frame);
      },
    };
  } catch (error) {
    if (!(error instanceof TidemarkError)) throw error;
    throw errorOfStep(error, id);
  }
}

function columnsOf({ columns }: CatalogTable): ReadonlyMap<string, Named> {
  return new Map(
    columns.flatMap((column): [string, Named][] => {
      const named = namedColumn(column, { key: column.name, sql: column.name });
      return typeof named === "string" ? [] : [[column.name, named]];
    }),
  );
}
