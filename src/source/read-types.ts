import type { CatalogType } from "../core/catalog.js";
import type { SqlRow, SqlSession } from "../core/sql.js";

/** The types named and all that they are made of. */
const TYPES = `
  with recursive reached (oid) as (
    select unnest($1::text[])::oid
    union
    select below.oid
    from reached r join pg_type t on t.oid = r.oid
    cross join lateral (
      select t.typbasetype where t.typtype = 'd'
      union all
      select t.typelem where t.typsubscript = 'array_subscript_handler'::regproc
      union all
      select rngsubtype from pg_range where t.oid in (rngtypid, rngmultitypid)
      union all
      select atttypid from pg_attribute
      where t.typtype = 'c' and attrelid = t.typrelid and attnum > 0 and not attisdropped
    ) below (oid)
  )
  select t.oid::int8::text as oid, format_type(t.oid, null) as name, t.typtype as kind,
    t.typsubscript = 'array_subscript_handler'::regproc as is_array,
    coalesce(nullif(t.typbasetype, 0), (select rngsubtype from pg_range
      where t.oid in (rngtypid, rngmultitypid)), t.typelem)::int8::text as base,
    (select e.typdelim from pg_type e where e.oid = t.typelem) as delimiter,
    (select jsonb_agg(enumlabel order by enumsortorder) from pg_enum
     where enumtypid = t.oid) as labels,
    (select jsonb_agg(jsonb_build_object('name', attname, 'oid', atttypid::int8) order by attnum)
     from pg_attribute
     where t.typtype = 'c' and attrelid = t.typrelid and attnum > 0 and not attisdropped) as fields
  from reached join pg_type t using (oid)`;

/** Describes types by OID, with all types below them; PostgreSQL's own may be among them. */
export async function readTypes(
  session: SqlSession,
  typeOids: readonly number[],
): Promise<CatalogType[]> {
  const rows = await session.query(TYPES, [[...new Set(typeOids)].map(String)]);
  return rows.flatMap((row) => catalogType(row) ?? []);
}

function catalogType(row: SqlRow): CatalogType | null {
  const named = { oid: Number(row["oid"]), name: String(row["name"]) };
  const base = Number(row["base"]);
  if (row["is_array"] === true) {
    return { ...named, kind: "array", base, delimiter: String(row["delimiter"]) };
  }
  switch (row["kind"]) {
    case "e":
      return { ...named, kind: "enum", labels: (row["labels"] as readonly string[] | null) ?? [] };
    case "d":
      return { ...named, kind: "domain", base };
    case "r":
      return { ...named, kind: "range", base };
    case "m":
      return { ...named, kind: "multirange", base };
    case "c": {
      const fields = (row["fields"] as readonly { name: string; oid: number }[] | null) ?? [];
      const typed = fields.map(({ name, oid }) => ({ name, typeOid: oid }));
      return { ...named, kind: "composite", fields: typed };
    }
    default:
      return null;
  }
}
