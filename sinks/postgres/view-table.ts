import type { OutputColumn, OutputShape, ResultValue, ViewBatch } from "../../src/core/output.js";
import { quoteIdent, quoteLiteral, quoteTable, type SqlSession } from "../../src/core/sql.js";
import { checkExisting, keyColumns, TABLE_COMMENT } from "./existing-table.js";

/** Rows a statement; keeps parameters to a few megabytes. */
const ROWS_PER_STATEMENT = 10_000;

/** A time below PostgreSQL's first one, 24 November 4714 BC, removes what lies at -infinity. */
const BOUND = "to_timestamp(greatest($1::float8 / 1000, -210866803200))";

/** The SQL of one view: a table with one row a key. */
export interface ViewTable {
  readonly shape: OutputShape;
  /** Creates the table with its key and time index, or checks the one that exists: is it empty? */
  ensure(session: SqlSession): Promise<boolean>;
  /** Applies a change inside the caller's transaction. */
  apply(session: SqlSession, batch: ViewBatch): Promise<void>;
}

/** `statementName` is unique in the session and at most 63 bytes. */
export function viewTable(shape: OutputShape, statementName: string): ViewTable {
  const table = quoteTable(shape.name);
  const time = shape.columns.find((column) => column.role === "time");
  const upsert = upsertSql(shape);
  const bound =
    time?.sqlType === "timestamp with time zone" ? BOUND : `${BOUND} at time zone 'UTC'`;
  const expire = `delete from ${table} where ${quoteIdent(time?.name ?? "")} < ${bound}`;
  return {
    shape,
    async ensure(session) {
      if (await checkExisting(session, shape)) return isEmpty(session, table);
      for (const statement of createSql(shape)) await session.query(statement);
      return true;
    },
    async apply(session, batch) {
      const sent: Promise<unknown>[] = [];
      if (batch.isWhole) sent.push(session.query(`delete from ${table}`));
      if (batch.removeBeforeMs !== null) sent.push(session.query(expire, [batch.removeBeforeMs]));
      for (const hasNull of batch.gone === null ? [] : [false, true]) {
        for (const values of statementValues(rowsWith(batch.gone ?? [], hasNull))) {
          sent.push(session.query(removeSql(shape, hasNull), values));
        }
      }
      for (const values of statementValues(batch.columns)) {
        sent.push(session.query(upsert, values, statementName));
      }
      await Promise.all(sent);
    },
  };
}

async function isEmpty(session: SqlSession, table: string): Promise<boolean> {
  const [found] = await session.query(`select not exists (select from ${table}) as empty`);
  return found?.["empty"] === true;
}

/** Columns of values as the parameters of as many statements as they take. */
function* statementValues(
  columns: readonly (readonly ResultValue[])[],
): Generator<(string | null)[][]> {
  const count = columns[0]?.length ?? 0;
  for (let from = 0; from < count; from += ROWS_PER_STATEMENT) {
    yield columns.map((column) => column.slice(from, from + ROWS_PER_STATEMENT).map(cellText));
  }
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
  const timeIndex = `create index on ${table} (${time.join(", ")})`;
  return [
    `create table ${table} (${columns.join(", ")})`,
    // PostgreSQL names the indexes, so that long names and names that are taken do no harm.
    `create unique index on ${table} (${keys.join(", ")}) nulls not distinct`,
    ...(time.length === 0 ? [] : [timeIndex]),
    // Without a primary key, a publication FOR ALL TABLES would make every update of it fail.
    `alter table ${table} replica identity full`,
    `comment on table ${table} is ${quoteLiteral(TABLE_COMMENT)}`,
  ];
}

function upsertSql(shape: OutputShape): string {
  const names = shape.columns.map((c) => quoteIdent(c.name));
  // unnest would take arrays of arrays to pieces, so that arrays come as texts.
  const arrays = shape.columns.map((c, i) => `$${i + 1}::${isArray(c) ? "text" : c.sqlType}[]`);
  const cells = shape.columns.map((c, i) => (isArray(c) ? `c${i}::${c.sqlType}` : `c${i}`));
  const aliases = shape.columns.map((_, i) => `c${i}`);
  const keys = keyColumns(shape).map((c) => quoteIdent(c.name));
  const updates = shape.columns
    .filter((c) => c.role === "value")
    .map((c) => `${quoteIdent(c.name)} = excluded.${quoteIdent(c.name)}`);
  return `insert into ${quoteTable(shape.name)} (${names.join(", ")})
    select ${cells.join(", ")} from unnest(${arrays.join(", ")}) as r(${aliases.join(", ")})
    on conflict (${keys.join(", ")}) do update set ${updates.join(", ")}`;
}

function isArray({ sqlType }: OutputColumn): boolean {
  return sqlType.endsWith("[]");
}

/** With NULLs among the keys the index is of no use, so that such rows have a statement apart. */
function removeSql(shape: OutputShape, areNullable: boolean): string {
  const keys = keyColumns(shape);
  const arrays = keys.map((c, i) => `$${i + 1}::${c.sqlType}[]`);
  const names = keys.map((_, i) => `k${i}`);
  const equals = areNullable ? "is not distinct from" : "=";
  const same = keys.map((c, i) => `v.${quoteIdent(c.name)} ${equals} k.k${i}`);
  return `delete from ${quoteTable(shape.name)} v
    using unnest(${arrays.join(", ")}) as k(${names.join(", ")})
    where ${same.join(" and ")}`;
}

/** The rows of `columns` in which some cell is NULL, or in which none is. */
function rowsWith(
  columns: readonly (readonly ResultValue[])[],
  hasNull: boolean,
): readonly (readonly ResultValue[])[] {
  const isChosen = (columns[0] ?? []).map((_, i) => {
    return columns.some((column) => column[i] === null) === hasNull;
  });
  return columns.map((column) => column.filter((_, i) => isChosen[i]));
}
