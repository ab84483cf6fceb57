import type { CellCodec } from "../../core/cell-codec.js";
import { TidemarkError } from "../../core/errors.js";
import type { Column, Relation } from "../../core/relation.js";
import {
  joinTableName,
  quoteIdent,
  quoteTable,
  type SqlRow,
  type SqlSession,
  splitTableName,
} from "../../core/sql.js";
import { IDENTITY } from "../catalog.js";

/** A table whose rows are copied: what its stream would send, as statements. */
export interface CopiedTable {
  /** As the stream will describe it. */
  readonly relation: Relation;
  /** Locks the table against changes of its shape, until the transaction ends. */
  readonly lockSql: string;
  readonly copySql: string;
}

// pg_publication_tables has columns and row filters from version 15 on; to_jsonb reads by name.
// Generated columns are published from version 18 on, where the publication says so.
const PUBLISHED = `
  select c.oid::int8::text as oid, c.relkind as kind, c.relreplident as identity,
         (select to_jsonb(p) ->> 'rowfilter' from pg_publication_tables p
          where p.pubname = $3 and p.schemaname = n.nspname and p.tablename = c.relname) as filter,
         (select jsonb_agg(jsonb_build_object(
             'name', a.attname, 'type', a.atttypid::int8, 'modifier', a.atttypmod,
             'isKey', c.relreplident = 'f' or coalesce((
               select true from pg_index i
               where i.indrelid = c.oid and a.attnum = any (i.indkey)
                 and case c.relreplident when 'd' then i.indisprimary
                                         when 'i' then i.indisreplident end), false),
             'isReadable', has_column_privilege(c.oid, a.attnum, 'SELECT')) order by a.attnum)
          from pg_attribute a
          where a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
            and (a.attgenerated = ''
                 or a.attgenerated = 's' and current_setting('server_version_num')::int >= 180000)
            and coalesce((
              select to_jsonb(p) -> 'attnames' is null or to_jsonb(p) -> 'attnames' ? a.attname
              from pg_publication_tables p
              where p.pubname = $3 and p.schemaname = n.nspname and p.tablename = c.relname
            ), true)) as columns
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = $1 and c.relname = $2`;

interface PublishedColumn {
  readonly name: string;
  readonly type: number;
  readonly modifier: number;
  readonly isKey: boolean;
  readonly isReadable: boolean;
}

/**
 * Reads how `publication` publishes a table: which columns, which rows. Throws SOURCE_PRIVILEGE
 * when the role may not read all of it.
 */
export async function readCopiedTable(
  session: SqlSession,
  { table, publication }: { readonly table: string; readonly publication: string },
  codecOf: (typeOid: number, column: string) => CellCodec,
): Promise<CopiedTable> {
  const { schema, name } = splitTableName(table);
  const [row] = await session.query(PUBLISHED, [schema, name, publication]);
  if (row === undefined) throw gone(table);
  const columns = row["columns"] as readonly PublishedColumn[];
  if (columns.some(({ isReadable }) => !isReadable)) throw await unreadable(session, table);
  const relation = relationOf(row, { schema, name, columns }, codecOf);
  const list = columns.map((column) => quoteIdent(column.name)).join(", ");
  const filter = row["filter"] === null ? "" : ` WHERE ${row["filter"]}`;
  // The rows of a partitioned table are in its partitions. Those of tables that inherit from a
  // plain one are published under their own names.
  const isPlain = row["kind"] !== "p";
  const select = `SELECT ${list} FROM ${isPlain ? "ONLY " : ""}${quoteTable(table)}${filter}`;
  const isWhole = isPlain && filter === "";
  const copied = isWhole ? `${quoteTable(table)} (${list})` : `(${select})`;
  return {
    relation,
    lockSql: `SELECT FROM (${select} LIMIT 0) AS locked`,
    copySql: `COPY ${copied} TO STDOUT`,
  };
}

function relationOf(
  row: SqlRow,
  table: { schema: string; name: string; columns: readonly PublishedColumn[] },
  codecOf: (typeOid: number, column: string) => CellCodec,
): Relation {
  const { schema, name } = table;
  const qualifiedName = joinTableName(schema, name);
  const columns = table.columns.map(
    ({ name: column, type, modifier, isKey }): Column => ({
      name: column,
      typeOid: type,
      typeModifier: modifier,
      isKey,
      codec: codecOf(type, `${qualifiedName}.${column}`),
    }),
  );
  const replicaIdentity = IDENTITY[String(row["identity"])] ?? "default";
  return { oid: Number(row["oid"]), schema, name, qualifiedName, replicaIdentity, columns };
}

/**
 * Throws COPY_OVERTAKEN when a locked table was truncated or rewritten after the snapshot of the
 * session's transaction: such a statement takes rows away from older snapshots, too (manual,
 * 13.6). The catalogue's row is read by the snapshot, the function looks at what is true now.
 */
export async function requireUntouched(session: SqlSession, table: string): Promise<void> {
  const rows = await session.query(
    `select 1 from pg_class c
     where c.oid in (select $1::regclass::oid union all
                     select relid::oid from pg_partition_tree($1::regclass))
       and c.relfilenode <> pg_relation_filenode(c.oid)`,
    [quoteTable(table)],
  );
  if (rows.length === 0) return;
  throw new TidemarkError(
    "COPY_OVERTAKEN",
    `Table ${table} was truncated or rewritten at the moment when its copy began. Nothing was ` +
      "kept; start again.",
    { detail: { table } },
  );
}

async function unreadable(session: SqlSession, table: string): Promise<TidemarkError> {
  const [row] = await session.query("select current_user as role");
  const role = String(row?.["role"]);
  const fix = `GRANT SELECT ON ${quoteTable(table)} TO ${quoteIdent(role)};`;
  return new TidemarkError(
    "SOURCE_PRIVILEGE",
    `Role ${role} may not read ${table}, whose rows are copied before its changes are followed; ` +
      `replication alone needs no such privilege. Run: ${fix}`,
    { detail: { table, fix } },
  );
}

function gone(table: string): TidemarkError {
  return new TidemarkError(
    "SOURCE_TABLE_MISSING",
    `Table ${table} was dropped at the moment when its copy began; correct the pipeline.`,
    { detail: { table } },
  );
}
