import { errorOfStep, TidemarkError } from "../core/errors.js";
import type { OutputOperator } from "../core/operator.js";
import type { OutputShape, ResultValue } from "../core/output.js";
import { checkCondition } from "../expression/check/check-expression.js";
import { compileCondition } from "../expression/compile/compile-expression.js";
import type { Evaluate } from "../expression/compile/evaluate.js";
import type { Grammar } from "../expression/grammar.js";
import { quoteName, type Scope } from "../expression/scope.js";
import { isSqlText } from "../expression/sql-text.js";
import { typePrinted } from "../expression/sql-type.js";
import { readValue, type Value } from "../expression/values/value.js";
import { userFailure } from "../operators/user-failure.js";
import { HavingOperator, type PassesResult } from "../operators/window/having-operator.js";
import type { PlanNode, ResultRow, WindowNode } from "./plan.js";

/** A window's step, and what its condition is parsed with. */
export interface HavingParts {
  readonly node: WindowNode;
  readonly grammar: Grammar | null;
}

interface Compiled {
  readonly node: PlanNode;
  readonly shape: OutputShape;
  readonly operator: OutputOperator;
}

/**
 * What a step became, with its `having` behind it; what is none of the step's results stays as it
 * is. Throws EXPRESSION_INVALID, naming the step.
 */
export function withHaving<C extends Compiled>(compiled: C, { node, grammar }: HavingParts): C {
  const { shape, operator: inner } = compiled;
  const passes = compiled.node === node ? compileHaving({ node, shape, grammar }) : null;
  if (passes === null) return compiled;
  return { ...compiled, operator: new HavingOperator({ inner, shape, passes }) };
}

interface ResultParts extends HavingParts {
  readonly shape: OutputShape;
}

function compileHaving({ node, shape, grammar }: ResultParts): PassesResult | null {
  const { id, having } = node;
  if (having === undefined) return null;
  const step = `${id} having`;
  if (isSqlText(having)) return sqlTest(having.text, { step, shape, grammar });
  const names = shape.columns.map(({ name }) => name);
  return (cells) => {
    const row: ResultRow = Object.fromEntries(names.map((name, i) => [name, cells[i] ?? null]));
    try {
      return having(row);
    } catch (error) {
      throw userFailure(error, step, shape.name);
    }
  };
}

function sqlTest(
  text: string,
  { step, shape, grammar }: Omit<ResultParts, "node"> & { readonly step: string },
): PassesResult {
  if (grammar === null) throw new Error("a plan with expressions is compiled with a grammar");
  const named = <T>(call: () => T): T => {
    try {
      return call();
    } catch (error) {
      if (!(error instanceof TidemarkError)) throw error;
      throw errorOfStep(error, step);
    }
  };
  return named(() => {
    const tree = checkCondition(grammar, text, resultScope(shape));
    const holds = compileCondition<readonly ResultValue[]>(tree, text, {
      read: ({ key, type }) => cellReader(shape, key, (cell) => readValue(type, cell)),
    });
    return (cells) => named(() => holds(cells));
  });
}

/** The columns of a result by their names. */
function resultScope({ columns }: OutputShape): Scope {
  return {
    names: columns.map(({ name }) => name),
    now: "a row of a view has no commit of its own",
    collation: null,
    resolve([name, more]) {
      const column = columns.find((one) => one.name === name);
      if (column === undefined || more !== undefined) return null;
      const type = typePrinted(column.sqlType);
      if (type === null) {
        return `column ${column.name} has type ${column.sqlType}, which expressions cannot read`;
      }
      return { key: column.name, sql: quoteName(column.name), ...type, collation: null };
    },
  };
}

function cellReader(
  { columns }: OutputShape,
  key: string,
  read: (text: string) => Value,
): Evaluate<readonly ResultValue[]> {
  const index = columns.findIndex(({ name }) => name === key);
  return (cells) => {
    const cell = cells[index] ?? null;
    if (cell === null) return null;
    return read(Object.is(cell, -0) ? "-0" : String(cell));
  };
}
