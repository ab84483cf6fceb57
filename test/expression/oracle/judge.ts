// Asks both sides: PostgreSQL with SELECT, and us.
import { TidemarkError } from "../../../src/core/errors.js";
import { checkExpression } from "../../../src/expression/check/check-expression.js";
import { compileExpression } from "../../../src/expression/compile/compile-expression.js";
import { type RowFrame, rowReader } from "../../../src/expression/compile/row-reader.js";
import { conversionOf } from "../../../src/expression/functions/casts.js";
import type { Grammar } from "../../../src/expression/grammar.js";
import { rowScope } from "../../../src/expression/scope.js";
import { childrenOf, type Expression } from "../../../src/expression/tree.js";
import type { Sql } from "../../services/sql.js";
import { RELATION, SCOPE_COLUMNS } from "./table.js";

/** An answer: `=text`, `NULL`, or `!` and the SQLSTATE. */
export type Answer = string;

/** One question: an expression and the number of a row. */
export interface Question {
  readonly text: string;
  readonly row: number;
}

const FUNCTION = `
  create function answer(expression text, row_id integer) returns text language plpgsql
    set timezone = 'UTC' as $$
  declare result text;
  begin
    execute format('select (%s)::text from oracle_rows where id = $1', expression)
      into result using row_id;
    return coalesce('=' || result, 'NULL');
  exception when others then
    return '!' || sqlstate || ' ' || sqlerrm;
  end $$`;

/** Makes the function that answers; an error is an answer, too. */
export async function createJudge(sql: Sql): Promise<void> {
  await sql(FUNCTION);
}

/** PostgreSQL's answers, in the order of the questions. */
export async function askPostgres(sql: Sql, questions: readonly Question[]): Promise<Answer[]> {
  const rows = await sql<{ answer: string }>(
    `select answer(t, r) as answer from unnest($1::text[], $2::integer[])
       with ordinality as q(t, r, n) order by n`,
    [questions.map(({ text }) => text), questions.map(({ row }) => row)],
  );
  return rows.map(({ answer }) => answer);
}

/** What we make of an expression; its parts are its coverage. */
export interface OwnExpression {
  answer(frame: RowFrame): Answer;
  readonly parts: readonly string[];
}

const SCOPE = rowScope({
  table: "oracle_rows",
  columns: SCOPE_COLUMNS,
  collation: "C.UTF-8",
  hasNow: true,
});
const READER = rowReader(RELATION);

/** Checks and compiles; a refusal is an answer, too. */
export function compileOwn(grammar: Grammar, text: string): OwnExpression {
  try {
    const tree = checkExpression(grammar, text, SCOPE);
    const parts = partsOf(tree);
    try {
      const evaluate = compileExpression(tree, text, READER);
      const toText = conversionOf(tree.type, "text");
      const answer = (frame: RowFrame): Answer => {
        try {
          const value = evaluate(frame);
          return value === null ? "NULL" : `=${toText?.run(value)}`;
        } catch (error) {
          return failureOf(error);
        }
      };
      return { answer, parts };
    } catch (error) {
      return refused(error, parts);
    }
  } catch (error) {
    return refused(error, []);
  }
}

function refused(error: unknown, parts: readonly string[]): OwnExpression {
  if (!(error instanceof TidemarkError)) throw error;
  return { answer: () => failureOf(error), parts };
}

function failureOf(error: unknown): Answer {
  if (!(error instanceof TidemarkError)) throw error;
  return `!${error.detail["sqlstate"] ?? "refused"} ${error.message}`;
}

function partsOf(tree: Expression): string[] {
  const found: string[] = [];
  const visit = (node: Expression): void => {
    if ("signature" in node) found.push(node.signature);
    if (node.kind === "cast") found.push(`${node.arg.type}::${node.type}`);
    else found.push(node.kind);
    for (const child of childrenOf(node)) visit(child);
  };
  visit(tree);
  return found;
}

/**
 * Whether two answers agree: the same text, or errors of one class. What PostgreSQL refuses when it
 * parses (class 42) we refuse, too, with no SQLSTATE.
 */
export function agree(postgres: Answer, own: Answer): boolean {
  if (!postgres.startsWith("!") || !own.startsWith("!")) return postgres === own;
  const [theirs, ours] = [postgres.slice(1, 6), own.slice(1, 6)];
  return theirs === ours || theirs.startsWith("42") || (ours === "refus" && theirs === "22P02");
}
