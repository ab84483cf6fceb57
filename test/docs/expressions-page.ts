import { CATALOG } from "../../src/expression/functions/catalog.js";
import type { Definition } from "../../src/expression/functions/definition.js";
import { printedType, SCALAR_TYPES } from "../../src/expression/sql-type.js";

const INTRODUCTION = [
  "A condition in a pipeline can be a PostgreSQL expression:",
  "",
  '    from("public.events", { appendOnly: true })',
  "      .filter(sql`amount > 100 AND event_type = 'alert'`)",
  "",
  "It means what it means in `WHERE`: the text is parsed by PostgreSQL's own grammar, operators and casts are chosen by PostgreSQL's rules, and a row passes when the result is true, not when it is false or NULL. Values put into the template become literals, never syntax. What is wrong or not supported is refused when the pipeline starts, with line and column (EXPRESSION_INVALID). A row for which an expression fails, as a division by zero does, is treated like one for which a function throws (EXPRESSION_FAILED).",
  "",
  "- The time zone is UTC, dates print in ISO form, `now()` is the time of the row's commit. It is refused over tables whose rows are updated or deleted: a row has to get the same answer when it leaves.",
  "- Text is equal when its characters are. It is ordered (`<`, `BETWEEN`, `GREATEST`) only under the collations C, POSIX, C.UTF-8 and ucs_basic: say COLLATE, with the name C in double quotes.",
  "- Regular expressions have to be constants and run in time linear in the text; backreferences and lookaround are refused. Where a match is replaced or cut out, so are non-greedy quantifiers and capturing groups.",
  "- Dates and times in text are read in ISO form. A time zone is a constant name of the IANA database.",
  "- Arrays have one dimension. Functions whose last digit depends on the server's mathematics library (`exp`, `ln`, `power`, `sin`, …), volatile functions, aggregates and subqueries are refused.",
  "- A column of a domain is one of the type below it. An enum compares by the order of its labels; a literal beside it, or cast to it, has to be one of them. Columns of range and composite types cannot be read.",
  "- The length is at most 8 KiB, the depth 200, the number of parts 4000.",
  "",
  "Forms: `AND`, `OR`, `NOT`, `IS [NOT] NULL`, `IS [NOT] TRUE | FALSE | UNKNOWN`, `IS [NOT] DISTINCT FROM`, `[NOT] IN`, `[NOT] BETWEEN [SYMMETRIC]`, `[NOT] LIKE | ILIKE` with `ESCAPE`, `SIMILAR TO`, `CASE`, `COALESCE`, `NULLIF`, `GREATEST`, `LEAST`, `ANY` and `ALL` over arrays, `ARRAY[…]`, `a[1]`, `COLLATE`, `AT TIME ZONE`, `EXTRACT`, casts.",
  "",
  "Every operator and function below is compared with PostgreSQL in the tests; `npm run oracle` does so for as long as TIDEMARK_ORACLE_EXPRESSIONS says. How strict, immutable and in which order each is evaluated is compared with pg_proc.",
].join("\n");

/** docs/expressions.md, from the catalogue of operators and functions. */
export function expressionsPage(): string {
  return `${[
    "<!-- Generated from src/expression: UPDATE_DOCS=1 npx vitest run test/docs -->",
    "# Expressions",
    INTRODUCTION,
    `Types: ${SCALAR_TYPES.map(printedType).join(", ")}, and arrays of them (not of json and jsonb).`,
    ...Object.entries(CATALOG).flatMap(([subject, definitions]) => [
      `## ${subject}`,
      table(definitions),
    ]),
  ].join("\n\n")}\n`;
}

/** One line a name, with the types it takes. */
function table(definitions: readonly Definition[]): string {
  const byName = new Map<string, string[]>();
  for (const { name, parameters, result, isVariadic } of definitions) {
    const types = `(${parameters.join(", ")}${isVariadic ? ", …" : ""}) → ${result}`;
    byName.set(name, [...(byName.get(name) ?? []), types]);
  }
  const rows = [...byName].map(([name, types]) => {
    const cell = (text: string): string => text.replaceAll("|", "\\|");
    return `| \`${cell(name)}\` | ${types.map(cell).join("; ")} |`;
  });
  return ["| Name | Types → result |", "| --- | --- |", ...rows].join("\n");
}
