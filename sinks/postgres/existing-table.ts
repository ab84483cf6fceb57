import { TidemarkError } from "../../src/core/errors.js";
import type { OutputColumn, OutputShape } from "../../src/core/output.js";
import { quoteIdent, quoteTable, type SqlSession } from "../../src/core/sql.js";

/** Marks the tables that are ours to drop. */
export const TABLE_COMMENT = "Kept by Tidemark; do not write to it";

/** The columns that name a row: of a view group and window, of an append table the position. */
export function keyColumns(shape: OutputShape): OutputColumn[] {
  return shape.columns.filter(({ role }) =>
    shape.kind === "append" ? role === "position" : role !== "value",
  );
}

/** Whether the table exists; VIEW_MISMATCH when it does with other columns or without the key. */
export async function checkExisting(session: SqlSession, shape: OutputShape): Promise<boolean> {
  const table = quoteTable(shape.name);
  const found = await session.query(
    `select a.attname as name, format_type(a.atttypid, a.atttypmod) as type
     from pg_attribute a
     where a.attrelid = to_regclass($1) and a.attnum > 0 and not a.attisdropped`,
    [table],
  );
  if (found.length === 0) return false;
  const types = new Map(found.map((row) => [String(row["name"]), String(row["type"])]));
  const wrong = shape.columns.find((column) => types.get(column.name) !== column.sqlType);
  if (wrong !== undefined) {
    const actual = types.get(wrong.name);
    throw mismatch(
      shape,
      `column "${wrong.name}" ${actual === undefined ? "is missing" : `has type ${actual}`}, ` +
        `the pipeline writes ${wrong.sqlType}`,
    );
  }
  const keys = keyColumns(shape).map((column) => column.name);
  const nullsMatter = shape.kind === "view";
  const index = await session.query(
    `select 1 from pg_index i
     where i.indrelid = to_regclass($1) and i.indisunique
       and (i.indnullsnotdistinct or not $3::boolean)
       and i.indpred is null and i.indexprs is null
       and (select array_agg(a.attname::text order by a.attname)
            from pg_attribute a where a.attrelid = i.indrelid and a.attnum = any (i.indkey))
         = (select array_agg(k order by k) from unnest($2::text[]) k)`,
    [table, keys, nullsMatter],
  );
  if (index.length === 0) {
    const list = keys.map(quoteIdent).join(", ");
    const nulls = nullsMatter ? " NULLS NOT DISTINCT" : "";
    throw mismatch(
      shape,
      `it has no unique key; run: CREATE UNIQUE INDEX ON ${table} (${list})${nulls}`,
    );
  }
  return true;
}

function mismatch(shape: OutputShape, problem: string): TidemarkError {
  return new TidemarkError(
    "VIEW_MISMATCH",
    `Table ${shape.name} exists, but not as this pipeline writes it: ${problem}. Otherwise ` +
      "rename or drop the table, or give the output another name.",
    { detail: { table: shape.name } },
  );
}

/** Drops a result table if there is one; one that Tidemark did not make is VIEW_MISMATCH. */
export async function dropTable(session: SqlSession, name: string): Promise<void> {
  if (await isOurs(session, name)) await session.query(`drop table ${quoteTable(name)}`);
}

/** Removes the rows of a result table, and keeps what others built on it. As {@link dropTable}. */
export async function emptyTable(session: SqlSession, name: string): Promise<void> {
  if (await isOurs(session, name)) await session.query(`truncate ${quoteTable(name)}`);
}

async function isOurs(session: SqlSession, name: string): Promise<boolean> {
  const [found] = await session.query(
    `select to_regclass($1) is not null as there,
            obj_description(to_regclass($1), 'pg_class') as comment`,
    [quoteTable(name)],
  );
  if (found?.["there"] !== true) return false;
  if (found["comment"] === TABLE_COMMENT) return true;
  throw new TidemarkError(
    "VIEW_MISMATCH",
    `Table ${quoteTable(name)} was not made by Tidemark (its comment says so), so it is left ` +
      "alone. Give the output another name, or remove table or rows yourself.",
    { detail: { table: name } },
  );
}
