import { TidemarkError } from "../../src/core/errors.js";
import type { OutputBatch, OutputColumn, OutputShape, ResultValue } from "../../src/core/output.js";
import { quoteIdent, quoteLiteral, quoteTable, type SqlSession } from "../../src/core/sql.js";

/** Marks the tables that are ours to drop. */
const COMMENT = "Kept by Tidemark; do not write to it";

/** Rows a statement; keeps parameters to a few megabytes. */
const ROWS_PER_STATEMENT = 10_000;

/** A time below PostgreSQL's first one, 24 November 4714 BC, removes what lies at -infinity. */
const BOUND = "to_timestamp(greatest($1::float8 / 1000, -210866803200))";

/** The SQL of one view: a table with one row a key. */
export interface ViewTable {
  readonly shape: OutputShape;
  /** Creates the table with its key and time index (true), or checks the one that exists. */
  ensure(session: SqlSession): Promise<boolean>;
  /** Applies a change inside the caller's transaction. */
  apply(session: SqlSession, batch: OutputBatch): Promise<void>;
}

/** `statementName` is unique in the session and at most 63 bytes. */
export function viewTable(shape: OutputShape, statementName: string): ViewTable {
  const table = quoteTable(shape.name);
  const time = shape.columns.find((column) => column.role === "time");
  const upsert = upsertSql(shape);
  const bound =
    time?.sqlType === "timestamp with time zone" ? BOUND : `${BOUND} at time zone 'UTC'`;
  const remove = `delete from ${table} where ${quoteIdent(time?.name ?? "")} < ${bound}`;
  return {
    shape,
    async ensure(session) {
      if (await checkExisting(session, shape)) return false;
      for (const statement of createSql(shape)) await session.query(statement);
      return true;
    },
    async apply(session, batch) {
      const sent: Promise<unknown>[] = [];
      if (batch.removeBeforeMs !== null) sent.push(session.query(remove, [batch.removeBeforeMs]));
      for (let from = 0; from < batch.rowCount; from += ROWS_PER_STATEMENT) {
        const values = batch.columns.map((column) =>
          column.slice(from, from + ROWS_PER_STATEMENT).map(cellText),
        );
        sent.push(session.query(upsert, values, statementName));
      }
      await Promise.all(sent);
    },
  };
}

/** Drops a view's table if there is one; one that Tidemark did not make is VIEW_MISMATCH. */
export async function dropView(session: SqlSession, name: string): Promise<void> {
  const table = quoteTable(name);
  const [found] = await session.query(
    `select to_regclass($1) is not null as there,
            obj_description(to_regclass($1), 'pg_class') as comment`,
    [table],
  );
  if (found?.["there"] !== true) return;
  if (found["comment"] !== COMMENT) {
    throw new TidemarkError(
      "VIEW_MISMATCH",
      `Table ${name} was not made by Tidemark (its comment says so), so it is not dropped. Give ` +
        "the view another name, or drop the table yourself.",
      { detail: { table: name } },
    );
  }
  await session.query(`drop table ${table}`);
}

function cellText(value: ResultValue): string | null {
  if (value === null) return null;
  return Object.is(value, -0) ? "-0" : String(value);
}

/**
 * NULL is a group like any other, so that the key is a unique index with NULLS NOT DISTINCT and not
 * a primary key.
 */
function createSql(shape: OutputShape): string[] {
  const table = quoteTable(shape.name);
  const columns = shape.columns.map((c) => `${quoteIdent(c.name)} ${c.sqlType}`);
  const keys = keyColumns(shape).map((c) => quoteIdent(c.name));
  const time = shape.columns.filter((c) => c.role === "time").map((c) => quoteIdent(c.name));
  return [
    `create table ${table} (${columns.join(", ")})`,
    // PostgreSQL names the indexes, so that long names and names that are taken do no harm.
    `create unique index on ${table} (${keys.join(", ")}) nulls not distinct`,
    `create index on ${table} (${time.join(", ")})`,
    // Without a primary key, a publication FOR ALL TABLES would make every update of it fail.
    `alter table ${table} replica identity full`,
    `comment on table ${table} is ${quoteLiteral(COMMENT)}`,
  ];
}

function upsertSql(shape: OutputShape): string {
  const names = shape.columns.map((c) => quoteIdent(c.name));
  const arrays = shape.columns.map((c, i) => `$${i + 1}::${c.sqlType}[]`);
  const keys = keyColumns(shape).map((c) => quoteIdent(c.name));
  const updates = shape.columns
    .filter((c) => c.role === "value")
    .map((c) => `${quoteIdent(c.name)} = excluded.${quoteIdent(c.name)}`);
  return `insert into ${quoteTable(shape.name)} (${names.join(", ")})
    select * from unnest(${arrays.join(", ")})
    on conflict (${keys.join(", ")}) do update set ${updates.join(", ")}`;
}

function keyColumns(shape: OutputShape): OutputColumn[] {
  return shape.columns.filter((column) => column.role !== "value");
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
  const index = await session.query(
    `select 1 from pg_index i
     where i.indrelid = to_regclass($1) and i.indisunique and i.indnullsnotdistinct
       and i.indpred is null and i.indexprs is null
       and (select array_agg(a.attname::text order by a.attname)
            from pg_attribute a where a.attrelid = i.indrelid and a.attnum = any (i.indkey))
         = (select array_agg(k order by k) from unnest($2::text[]) k)`,
    [table, keys],
  );
  if (index.length === 0) {
    const list = keys.map(quoteIdent).join(", ");
    throw mismatch(
      shape,
      `it has no unique key; run: CREATE UNIQUE INDEX ON ${table} (${list}) NULLS NOT DISTINCT`,
    );
  }
  return true;
}

function mismatch(shape: OutputShape, problem: string): TidemarkError {
  return new TidemarkError(
    "VIEW_MISMATCH",
    `Table ${shape.name} exists, but not as this pipeline writes it: ${problem}. Otherwise ` +
      "rename or drop the table, or give the view another name.",
    { detail: { table: shape.name } },
  );
}
