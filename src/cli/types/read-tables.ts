import type { DecoderFactory } from "../../core/decoder.js";
import { TidemarkError } from "../../core/errors.js";
import { quoteIdent, type SqlRow, type SqlSession, splitTableName } from "../../core/sql.js";
import { describeTables } from "../../source/describe-tables.js";
import { missingFromPublication, tableNotPublished } from "../../source/publication.js";
import type { PublishedColumn, PublishedTable } from "./published-table.js";

/** Which tables to read. */
export interface TableSelection {
  /** Only tables and columns that this publication publishes. */
  readonly publication?: string;
  /** Only these, `schema.name`. */
  readonly tables?: readonly string[];
  readonly decoder: DecoderFactory;
}

// to_jsonb reads columns by name: attnames exists from PostgreSQL 15 on.
const OF_PUBLICATION = `
  select schemaname as schema, tablename as name, to_jsonb(p) -> 'attnames' as published
  from pg_publication_tables p where pubname = $1`;

// Partitions are left out: with publish_via_partition_root their rows come as the parent's, and a
// publication that sends them under their own names can be asked for.
const OF_DATABASE = `
  select n.nspname as schema, c.relname as name, null as published
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where c.relkind in ('r', 'p') and c.relpersistence = 'p' and not c.relispartition
    and n.nspname not in ('pg_catalog', 'information_schema', 'tidemark')`;

// A value of at most 24 bytes stays in its row, which has room for a pointer of that size in its
// place (access/table/toast_helper.c): 28 digits, or 5 characters of 4 bytes.
const ATTRIBUTES = `
  select a.attnum as number, a.attname as name, a.attgenerated <> '' as is_generated,
         col_description(a.attrelid, a.attnum) as comment,
         a.attndims as dimensions,
         exists (select from pg_type t where t.oid = a.atttypid
                   and t.typlen = -1 and t.typstorage <> 'p')
           and not (a.atttypid = 'numeric'::regtype and a.atttypmod >= 4
                    and ((a.atttypmod - 4) >> 16) & 65535 <= 28)
           and not (a.atttypid in ('varchar'::regtype, 'bpchar'::regtype)
                    and a.atttypmod between 4 and 9) as is_large,
         (select jsonb_agg(e.enumlabel order by e.enumsortorder)
          from pg_enum e where e.enumtypid = a.atttypid) as labels
  from pg_attribute a
  where a.attrelid = to_regclass($1) and a.attnum > 0 and not a.attisdropped
  order by a.attnum`;

/** The selected tables, sorted by name. Throws SOURCE_TABLE_MISSING or PUBLICATION_MISSING. */
export async function readTables(
  session: SqlSession,
  selection: TableSelection,
): Promise<PublishedTable[]> {
  const listed = await listTables(session, selection);
  const tables: PublishedTable[] = [];
  for (const row of listed) tables.push(await readTable(session, row, selection.decoder));
  return tables.sort((a, b) => compare(a.schema, b.schema) || compare(a.name, b.name));
}

async function listTables(session: SqlSession, selection: TableSelection): Promise<SqlRow[]> {
  const { publication, tables } = selection;
  const all = await published(session, selection);
  if (tables === undefined || tables.length === 0) {
    if (all.length > 0) return all;
    throw new TidemarkError(
      "SOURCE_TABLE_MISSING",
      publication === undefined
        ? "The database has no tables; check that the URL names the right one."
        : `Publication ${publication} publishes no tables; add one with ALTER PUBLICATION.`,
    );
  }
  const wanted = new Map(tables.map((table) => [quoted(splitTableName(table)), table]));
  if (publication === undefined) {
    return [...wanted.values()].map((table) => ({ ...splitTableName(table), published: null }));
  }
  const chosen = all.filter((row) => wanted.delete(quoted(nameOf(row))));
  for (const table of wanted.values()) throw tableNotPublished(publication, table);
  return chosen;
}

async function published(session: SqlSession, selection: TableSelection): Promise<SqlRow[]> {
  const { publication } = selection;
  if (publication === undefined) return [...(await session.query(OF_DATABASE))];
  if ((await missingFromPublication(session, publication, [])) === null) {
    throw new TidemarkError(
      "PUBLICATION_MISSING",
      `Publication ${publication} does not exist; name another, or leave it out to take all tables.`,
      { detail: { publication } },
    );
  }
  return [...(await session.query(OF_PUBLICATION, [publication]))];
}

async function readTable(
  session: SqlSession,
  row: SqlRow,
  decoder: DecoderFactory,
): Promise<PublishedTable> {
  const { schema, name } = nameOf(row);
  const qualified = quoted({ schema, name });
  const described = await describeTables(session, [qualified], { decoder, wantsBinary: false });
  const { columns = [], replicaIdentity = "nothing", identityKey = [] } = described.tables[0] ?? {};
  const attributes = await session.query(ATTRIBUTES, [qualified]);
  const [table] = await session.query(
    "select obj_description(to_regclass($1), 'pg_class') as comment",
    [qualified],
  );
  const list = row["published"] as readonly string[] | null;
  const isSent = ({ name: column, is_generated }: SqlRow): boolean =>
    list === null ? is_generated === false : list.includes(String(column));
  const sent = new Map(attributes.filter(isSent).map((a) => [String(a["name"]), a]));
  return {
    schema,
    name,
    replicaIdentity,
    identityKey,
    comment: textOrNull(table?.["comment"]),
    columns: columns.flatMap((column): PublishedColumn[] => {
      const attribute = sent.get(column.name);
      if (attribute === undefined) return [];
      const { isNotNull, codec, name } = column;
      const labels = attribute["labels"] as readonly string[] | null;
      const dimensions = Number(attribute["dimensions"]);
      const isLarge = attribute["is_large"] === true;
      const comment = textOrNull(attribute["comment"]);
      return [{ name, isNotNull, codec, labels, dimensions, isLarge, comment }];
    }),
  };
}

function nameOf(row: SqlRow): { schema: string; name: string } {
  return { schema: String(row["schema"]), name: String(row["name"]) };
}

function quoted({ schema, name }: { schema: string; name: string }): string {
  return `${quoteIdent(schema)}.${quoteIdent(name)}`;
}

function textOrNull(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}

/** By UTF-16 code units: the same on every machine, unlike localeCompare. */
function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
