import type { AppendBatch, OutputShape } from "../../src/core/output.js";
import { quoteIdent, quoteLiteral, quoteTable, type SqlSession } from "../../src/core/sql.js";
import { checkExisting, keyColumns, TABLE_COMMENT } from "./existing-table.js";

/** OID of `text`, the element type of the arrays that are sent. */
const TEXT_OID = 25;
const ARRAY_HEADER_BYTES = 20;

/** The SQL of one append table: a row a change, named by its position. */
export interface AppendTable {
  readonly shape: OutputShape;
  /** Creates the table with its key and time index (true), or checks the one that exists. */
  ensure(session: SqlSession): Promise<boolean>;
  /** Removes what is too old, then adds rows, inside the caller's transaction. */
  apply(session: SqlSession, batch: AppendBatch): Promise<void>;
}

/** `statementName` is unique in the session and at most 63 bytes. */
export function appendTable(shape: OutputShape, statementName: string): AppendTable {
  const table = quoteTable(shape.name);
  const time = shape.columns.find((column) => column.role === "time");
  const insert = insertSql(shape);
  const remove =
    `delete from ${table} where ${quoteIdent(time?.name ?? "")} < ` +
    "to_timestamp(greatest($1::float8 / 1000, -210866803200))";
  return {
    shape,
    async ensure(session) {
      await addColumns(session, shape);
      if (await checkExisting(session, shape)) return false;
      for (const statement of createSql(shape)) await session.query(statement);
      return true;
    },
    async apply(session, batch) {
      const sent: Promise<unknown>[] = [];
      if (batch.removeBeforeMs !== null) sent.push(session.query(remove, [batch.removeBeforeMs]));
      if (batch.rowCount > 0) {
        const arrays = batch.cells.map((cells) => arrayOf(cells, batch.rowCount));
        sent.push(session.query(insert, arrays, statementName));
      }
      await Promise.all(sent);
    },
  };
}

/**
 * A column as a `text[]` in PostgreSQL's binary format (array_recv): dimensions, whether there are
 * NULLs, element type, length and lower bound, and then the elements as they are packed already.
 * `pg` sends a Buffer as binary, so that no cell becomes a string here.
 */
function arrayOf(cells: Uint8Array, rowCount: number): Buffer {
  const array = Buffer.allocUnsafe(ARRAY_HEADER_BYTES + cells.length);
  array.writeInt32BE(1, 0);
  array.writeInt32BE(1, 4);
  array.writeInt32BE(TEXT_OID, 8);
  array.writeInt32BE(rowCount, 12);
  array.writeInt32BE(1, 16);
  array.set(cells, ARRAY_HEADER_BYTES);
  return array;
}

/** Texts become values by an explicit cast, which reads them as the type's input does. */
function insertSql(shape: OutputShape): string {
  const names = shape.columns.map((c) => quoteIdent(c.name));
  const arrays = shape.columns.map((_, i) => `$${i + 1}::text[]`);
  const cells = shape.columns.map((_, i) => `c${i}`);
  const values = shape.columns.map((c, i) => `c${i}::${c.sqlType}`);
  return `insert into ${quoteTable(shape.name)} (${names.join(", ")})
    select ${values.join(", ")} from unnest(${arrays.join(", ")}) as u (${cells.join(", ")})`;
}

function createSql(shape: OutputShape): string[] {
  const table = quoteTable(shape.name);
  const columns = shape.columns.map((c) => `${quoteIdent(c.name)} ${c.sqlType}`);
  const keys = keyColumns(shape).map((c) => quoteIdent(c.name));
  const time = shape.columns.filter((c) => c.role === "time").map((c) => quoteIdent(c.name));
  return [
    `create table ${table} (${columns.join(", ")}, primary key (${keys.join(", ")}))`,
    // Rows come in the order of their commits, for which a BRIN index of a few pages is enough.
    `create index on ${table} using brin (${time.join(", ")})`,
    `comment on table ${table} is ${quoteLiteral(TABLE_COMMENT)}`,
  ];
}

/** Columns that the source has gained are added to a table of ours; older rows have NULL there. */
async function addColumns(session: SqlSession, shape: OutputShape): Promise<void> {
  const table = quoteTable(shape.name);
  const found = await session.query(
    `select a.attname as name from pg_attribute a
     where a.attrelid = to_regclass($1) and a.attnum > 0 and not a.attisdropped
       and obj_description(to_regclass($1), 'pg_class') = $2`,
    [table, TABLE_COMMENT],
  );
  if (found.length === 0) return;
  const names = new Set(found.map((row) => row["name"]));
  for (const { name, sqlType } of shape.columns) {
    if (names.has(name)) continue;
    await session.query(`alter table ${table} add column ${quoteIdent(name)} ${sqlType}`);
  }
}
