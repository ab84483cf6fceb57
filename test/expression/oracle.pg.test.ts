// PostgreSQL as the judge of expressions. `npm run oracle` asks it for as long as one likes:
// TIDEMARK_ORACLE_EXPRESSIONS=1000000 npm run oracle.
import { expect, test } from "vitest";
import { CATALOG } from "../../src/expression/functions/catalog.js";
import { loadGrammar } from "../../src/expression/grammar.js";
import { usePostgres } from "../services/postgres.js";
import { seededRandom } from "../torture/random.js";
import { Generator } from "./oracle/generator.js";
import {
  agree,
  askPostgres,
  compileOwn,
  createJudge,
  type OwnExpression,
  type Question,
} from "./oracle/judge.js";
import { COLUMNS, createTable, frameOf, randomRow } from "./oracle/table.js";

const { sql } = await usePostgres();
const grammar = await loadGrammar();
const ROWS = 60;
const random = seededRandom();
const EXPRESSIONS = Number(process.env["TIDEMARK_ORACLE_EXPRESSIONS"] ?? 10_400);
const ROWS_EACH = 2;
const BATCH = 2000;
const DEPTH = 3;

const definitions = Object.values(CATALOG).flat();
const generator = new Generator(random, definitions);

/** The rows as the server sends them, by id. */
async function fillTable(): Promise<Map<number, (string | null)[]>> {
  await sql(createTable("oracle_rows"));
  for (let id = 1; id <= ROWS; id++) {
    const places = COLUMNS.map((_, i) => `$${i + 2}`).join(", ");
    await sql(`insert into oracle_rows values ($1, ${places})`, [id, ...randomRow(random)]);
  }
  // concat() prints as the server sends: `t` and padding, which a cast to text changes.
  const texts = COLUMNS.map(({ name }) => `case when ${name} is not null then concat(${name}) end`);
  const rows = await sql<{ id: number; texts: (string | null)[] }>(
    `select id, array[${texts.join(", ")}] as texts from oracle_rows`,
  );
  return new Map(rows.map((row) => [row.id, row.texts]));
}

interface Asked extends Question {
  readonly own: OwnExpression;
}

/** Questions about the expressions from number `from` on; each definition gets its turn. */
function questionsFrom(from: number): Asked[] {
  const count = Math.min(BATCH, EXPRESSIONS - from);
  return Array.from({ length: count }, (_, i) => {
    const definition = definitions[(from + i) % definitions.length];
    const text =
      definition === undefined || random.chance(0.25)
        ? generator.condition(DEPTH)
        : generator.call(definition, random.between(1, DEPTH));
    const own = compileOwn(grammar, text);
    const row = (): number => random.between(1, ROWS);
    return Array.from({ length: ROWS_EACH }, () => ({ text, row: row(), own }));
  }).flat();
}

test("random expressions over random rows mean what PostgreSQL means", async () => {
  await createJudge(sql);
  const rows = await fillTable();
  const reached = new Map<string, number>();
  const differences: string[] = [];
  let cases = 0;
  let failures = 0;
  for (let from = 0; from < EXPRESSIONS; from += BATCH) {
    const questions = questionsFrom(from);
    const answers = await askPostgres(sql, questions);
    questions.forEach(({ text, row, own }, i) => {
      const ours = own.answer(frameOf(rows.get(row) ?? [], 0));
      const theirs = answers[i] ?? "";
      cases++;
      if (!agree(theirs, ours)) differences.push(`row ${row}: ${text}\n  ${theirs}\n  ${ours}`);
      else if (ours.startsWith("!")) failures++;
      else for (const part of own.parts) reached.set(part, (reached.get(part) ?? 0) + 1);
    });
  }
  const least = Math.min(...definitions.map(({ signature }) => reached.get(signature) ?? 0));
  process.stdout.write(
    `${cases} cases, ${failures} of them failures on both sides; ${definitions.length} operators ` +
      `and functions, ${least} values of the one that was reached least\n`,
  );
  if (process.env["TIDEMARK_ORACLE_COVERAGE"] !== undefined) {
    const lines = [...reached].sort().map(([part, count]) => `${count}\t${part}\n`);
    process.stdout.write(lines.join(""));
  }
  const sentence = `seed ${random.seed}, ${differences.length} differences in ${cases} cases`;
  expect(differences.slice(0, 10), sentence).toEqual([]);
  const missing = definitions.filter(({ signature }) => !reached.has(signature));
  expect(missing.map(({ signature }) => signature)).toEqual([]);
  expect(cases).toBe(EXPRESSIONS * ROWS_EACH);
  // Else the generator makes what fails everywhere, and agreement means little.
  expect(failures).toBeLessThan(cases / 4);
}, 3_600_000);
