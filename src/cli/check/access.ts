import { quoteIdent, type SqlSession } from "../../core/sql.js";
import { type Finding, fail, ok } from "./finding.js";

/** What this role may do with tables of one schema that may not exist yet. */
export interface Access {
  readonly schema: string;
  readonly tables: readonly string[];
  readonly role: string;
  readonly database: string;
  readonly isReadOnly: boolean;
  readonly canCreateSchema: boolean;
  readonly hasSchema: boolean;
  readonly canUseSchema: boolean;
  readonly canCreateTables: boolean;
  /** Those that exist. */
  readonly present: readonly string[];
  /** Those of them that this role may read and write. */
  readonly writable: readonly string[];
}

// Not to_regclass: it fails where the role has no USAGE on the schema.
const ACCESS = `
  with tables as (
    select c.relname::text as name, c.oid
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where n.nspname = $1 and c.relname = any ($2::text[])
  )
  select current_user::text as role, current_database()::text as database,
         current_setting('transaction_read_only') = 'on' as is_read_only,
         has_database_privilege(current_database(), 'CREATE') as can_create_schema,
         (select has_schema_privilege(oid, 'USAGE') from pg_namespace where nspname = $1)
           as can_use,
         (select has_schema_privilege(oid, 'CREATE') from pg_namespace where nspname = $1)
           as can_create,
         (select coalesce(array_agg(name), '{}') from tables) as present,
         (select coalesce(array_agg(name), '{}') from tables
          where has_table_privilege(oid, 'SELECT') and has_table_privilege(oid, 'INSERT')
            and has_table_privilege(oid, 'UPDATE') and has_table_privilege(oid, 'DELETE'))
           as writable`;

/** Asks what may be done; changes nothing. */
export async function readAccess(
  session: SqlSession,
  schema: string,
  tables: readonly string[],
): Promise<Access> {
  const [row] = await session.query(ACCESS, [schema, tables]);
  return {
    schema,
    tables,
    role: String(row?.["role"]),
    database: String(row?.["database"]),
    isReadOnly: row?.["is_read_only"] === true,
    canCreateSchema: row?.["can_create_schema"] === true,
    hasSchema: typeof row?.["can_use"] === "boolean",
    canUseSchema: row?.["can_use"] === true,
    canCreateTables: row?.["can_create"] === true,
    present: row?.["present"] as string[],
    writable: row?.["writable"] as string[],
  };
}

/** Whether the tables can be written, after creating those that do not exist. */
export function judgeAccess(name: string, access: Access, createsSchema: boolean): Finding {
  const { schema, tables, present, writable } = access;
  const role = quoteIdent(access.role);
  const missing = tables.filter((table) => !present.includes(table));
  const list = missing.map((table) => `${schema}.${table}`).join(", ");
  if (access.isReadOnly) {
    return fail(name, `Database ${access.database} is read-only for this role, or a standby`);
  }
  if (!access.hasSchema) {
    if (createsSchema && access.canCreateSchema) return ok(name, `The first run creates ${list}`);
    const fix = createsSchema
      ? `GRANT CREATE ON DATABASE ${quoteIdent(access.database)} TO ${role};`
      : `CREATE SCHEMA ${quoteIdent(schema)} AUTHORIZATION ${role};`;
    const what = createsSchema ? "and this role may not create it" : "and is not created";
    return fail(name, `Schema ${schema} does not exist, ${what}`, { fix });
  }
  if (!access.canUseSchema || (missing.length > 0 && !access.canCreateTables)) {
    return fail(name, `Role ${access.role} may not create tables in schema ${schema}`, {
      fix: `GRANT USAGE, CREATE ON SCHEMA ${quoteIdent(schema)} TO ${role};`,
    });
  }
  const refused = present.filter((table) => !writable.includes(table));
  if (refused.length > 0) {
    const quoted = refused.map((table) => `${quoteIdent(schema)}.${quoteIdent(table)}`).join(", ");
    return fail(name, `Role ${access.role} may not read and write ${quoted}`, {
      fix: `GRANT SELECT, INSERT, UPDATE, DELETE ON ${quoted} TO ${role};`,
    });
  }
  if (missing.length > 0) return ok(name, `The first run creates ${list}`);
  return ok(name, `${tables.map((table) => `${schema}.${table}`).join(", ")} can be written`);
}
