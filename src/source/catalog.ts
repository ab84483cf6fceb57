import type { CatalogColumn, CatalogTable } from "../core/catalog.js";
import type { CellCodec } from "../core/cell-codec.js";
import { TidemarkError } from "../core/errors.js";
import type { ReplicaIdentity } from "../core/relation.js";
import { joinTableName, type SqlSession, splitTableName } from "../core/sql.js";

/** Replica identities by their letter in `pg_class.relreplident`. */
export const IDENTITY: Readonly<Record<string, ReplicaIdentity>> = {
  d: "default",
  n: "nothing",
  f: "full",
  i: "index",
};

// The provider came with version 15, the builtin one and its locale's column with 17: to_jsonb
// reads columns by name. Where only letters follow a locale, order is that of C.UTF-8.
const DATABASE_COLLATION = `
  (select case to_jsonb(d) ->> 'datlocprovider'
            when 'b' then to_jsonb(d) ->> 'datlocale'
            when 'i' then 'icu'
            else case when d.datcollate in ('C', 'POSIX') and d.datctype not in ('C', 'POSIX')
                      then 'C.UTF-8' else d.datcollate end
          end
   from pg_database d where d.datname = current_database())`;

const TABLES = `
  select c.oid::int8::text as oid, n.nspname as schema, c.relname as name,
         c.relreplident as identity, c.relkind as kind, ${DATABASE_COLLATION} as collation
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
  where n.nspname = $1 and c.relname = $2`;

const COLUMNS = `
  select a.attname as name, a.atttypid::int8::text as type_oid, a.attnotnull as not_null,
         format_type(a.atttypid, a.atttypmod) as type_name,
         (select case when not co.collisdeterministic then 'nondeterministic ' || co.collname
                      when co.collprovider = 'd' then ${DATABASE_COLLATION}
                      else co.collname end
          from pg_collation co where co.oid = a.attcollation) as collation,
         coalesce((select true from pg_index i
                   where i.indrelid = a.attrelid and a.attnum = any (i.indkey)
                     and case c.relreplident when 'd' then i.indisprimary
                                             when 'i' then i.indisreplident end),
                  false) as in_identity
  from pg_attribute a join pg_class c on c.oid = a.attrelid
  where a.attrelid = $1::int8::oid and a.attnum > 0 and not a.attisdropped
  order by a.attnum`;

/** The shape of one table, or SOURCE_TABLE_MISSING. `qualified` may quote its parts. */
export async function describeTable(
  session: SqlSession,
  qualified: string,
  codecOf: (typeOid: number) => CellCodec,
): Promise<CatalogTable> {
  const { schema, name } = splitTableName(qualified);
  const [table] = await session.query(TABLES, [schema, name]);
  if (table === undefined || !["r", "p"].includes(String(table["kind"]))) {
    throw new TidemarkError(
      "SOURCE_TABLE_MISSING",
      table === undefined
        ? `Table ${schema}.${name} does not exist on the source; create it, or correct the name ` +
            "(names are case-sensitive and need no quotes)."
        : `${schema}.${name} is no table: views, foreign tables and sequences are not replicated.`,
      { detail: { table: `${schema}.${name}` } },
    );
  }
  const rows = await session.query(COLUMNS, [table["oid"]]);
  const columns = rows.map(
    (row): CatalogColumn => ({
      name: String(row["name"]),
      typeOid: Number(row["type_oid"]),
      typeName: String(row["type_name"]),
      isNotNull: row["not_null"] === true,
      collation: typeof row["collation"] === "string" ? row["collation"] : null,
      codec: codecOf(Number(row["type_oid"])),
    }),
  );
  return {
    schema,
    name,
    qualifiedName: joinTableName(schema, name),
    replicaIdentity: IDENTITY[String(table["identity"])] ?? "default",
    identityKey: rows.filter((row) => row["in_identity"] === true).map((r) => String(r["name"])),
    collation: typeof table["collation"] === "string" ? table["collation"] : null,
    columns,
  };
}
