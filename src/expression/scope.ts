import type { MadeType } from "../core/catalog.js";
import { splitTableName } from "../core/sql.js";
import { enumType, type SqlType, typeOfOid } from "./sql-type.js";

/** Something that has a name where an expression stands. */
export interface Named {
  /** Stable and unique in the scope: what the reader is asked for. */
  readonly key: string;
  /** As SQL that means the same in this scope. */
  readonly sql: string;
  readonly type: SqlType;
  /** OID of its own type in the source's catalogue, which may be a domain over `type`. */
  readonly typeOid: number;
  /** Null when the type has none, or it is not known. */
  readonly collation: string | null;
}

/** An argument that a scope's own function may take: a dotted name, `*`, or a number. */
export type ScopeArgument = readonly string[] | "*" | number;

/**
 * What names mean where an expression stands: a row's columns, the events of a pattern, the old and
 * the new row of a change. The expression itself knows none of them.
 */
export interface Scope {
  /** What a dotted name means: null for an unknown one, a text says why it cannot be read. */
  resolve(path: readonly string[]): Named | string | null;
  /**
   * What a call means that belongs to the scope: `LAST(b.price)`, `COUNT(b)`. Null leaves it to
   * PostgreSQL's functions; a text says what is wrong with it.
   */
  call?(name: string, args: readonly ScopeArgument[]): Named | string | null;
  /** What `now()` is: the commit's time. Where there is none, why, as half a sentence. */
  readonly now: Named | string;
  /** What a type's name means that is none of PostgreSQL's own; null for an unknown one. */
  typeNamed?(name: string): SqlType | null;
  /** Names, for suggestions. */
  readonly names: readonly string[];
  /** The database's collation; null when it is not known. */
  readonly collation: string | null;
}

/** A column as a scope needs it; catalogue and stream both know it. */
export interface ScopeColumn {
  readonly name: string;
  readonly typeOid: number;
  readonly typeName: string;
  readonly collation?: string | null;
  readonly made?: MadeType;
}

/** The key and SQL of `now()` in a row's scope. */
export const COMMIT_TIME: Named = {
  key: "now()",
  sql: "now()",
  type: "timestamptz",
  typeOid: 1184,
  collation: null,
};

const MOVING_NOW =
  "a row that is taken out again has to get the answer that it got when it came in";

/** What a row's scope is made of. */
export interface RowScopeParts {
  /** The table's name without its schema. */
  readonly table: string;
  readonly columns: readonly ScopeColumn[];
  /** The database's collation. */
  readonly collation: string | null;
  /** Whether `now()` has a meaning: the time of the row's commit. */
  readonly hasNow: boolean;
}

/** The scope of one row of a table: its columns, also behind the table's name, and `now()`. */
export function rowScope({ table, columns, collation, hasNow }: RowScopeParts): Scope {
  return {
    names: columns.map((column) => column.name),
    now: hasNow ? COMMIT_TIME : MOVING_NOW,
    collation,
    typeNamed: (name) => enumNamed(columns, name),
    resolve(path) {
      const [name, more] = path.length === 2 && path[0] === table ? path.slice(1) : path;
      const column = columns.find((candidate) => candidate.name === name);
      if (column === undefined || more !== undefined) return null;
      return namedColumn(column, { key: column.name, sql: quoteName(column.name) });
    },
  };
}

/** An enum that a column has, by its name without a schema. */
function enumNamed(columns: readonly ScopeColumn[], name: string): SqlType | null {
  for (const { made } of columns) {
    if (made?.labels === undefined) continue;
    const plain = splitTableName(made.typeName).name;
    if (plain === name) return enumType(made.typeName, made.labels);
  }
  return null;
}

/** A column under a name, or why expressions cannot read it. */
export function namedColumn(
  column: ScopeColumn,
  { key, sql }: { key: string; sql: string },
): Named | string {
  const { typeOid, typeName, made } = column;
  const type =
    made?.labels === undefined
      ? typeOfOid(made?.typeOid ?? typeOid)
      : enumType(made.typeName, made.labels);
  const isJsonArray = type === "json[]" || type === "jsonb[]";
  if (type !== null && !isJsonArray) {
    return { key, sql, type, typeOid, collation: column.collation ?? null };
  }
  return `column ${column.name} has type ${typeName}, which expressions cannot read`;
}

/** An identifier as it has to be written: quoted unless it is plain and no keyword. */
export function quoteName(name: string): string {
  const isPlain = /^[a-z_][a-z0-9_]*$/.test(name) && !KEYWORDS.has(name);
  return isPlain ? name : `"${name.replaceAll('"', '""')}"`;
}

/** Words that are no column names without quotes (manual, appendix C). */
const KEYWORDS: ReadonlySet<string> = new Set(
  `all analyse analyze and any array as asc asymmetric authorization between bigint binary bit
  boolean both case cast char character check coalesce collate collation column concurrently
  constraint create cross current_catalog current_date current_role current_schema current_time
  current_timestamp current_user dec decimal default deferrable desc distinct do else end except
  exists extract false fetch float for foreign freeze from full grant greatest group grouping having
  ilike in initially inner inout int integer intersect interval into is isnull join json_array
  json_arrayagg json_object json_objectagg json_scalar json_serialize json json_exists json_query
  json_table json_value lateral leading least left like limit localtime localtimestamp merge_action
  national natural nchar none normalize not notnull null nullif numeric offset on only or order out
  outer overlaps overlay placing position precision primary real references returning right row
  select session_user setof similar smallint some substring symmetric system_user table tablesample
  then time timestamp to trailing treat trim true union unique user using values varchar variadic
  verbose when where window with xmlattributes xmlconcat xmlelement xmlexists xmlforest
  xmlnamespaces xmlparse xmlpi xmlroot xmlserialize xmltable`.split(/\s+/),
);
