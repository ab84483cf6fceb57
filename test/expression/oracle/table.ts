// The rows that the oracle and we look at: a table with a column of each type, in which nothing is
// missing that PostgreSQL treats in its own way.
import { codecOf } from "../../../decoders/types/codecs.js";
import type { MadeType } from "../../../src/core/catalog.js";
import type { Relation } from "../../../src/core/relation.js";
import { quoteLiteral } from "../../../src/core/sql.js";
import type { RowFrame } from "../../../src/expression/compile/row-reader.js";
import type { ScopeColumn } from "../../../src/expression/scope.js";
import {
  enumOf,
  enumType,
  printedType,
  type SqlType,
  typeOfOid,
} from "../../../src/expression/sql-type.js";
import type { Random } from "../../torture/random.js";
import { literalOf, oneOf } from "./literals.js";

/** A column of the oracle's table; the name says the type. */
export interface OracleColumn {
  readonly name: string;
  readonly type: SqlType;
}

/** An enum whose order is not that of its labels. */
export const MOOD: SqlType = enumType("mood", ["sad", "ok", "happy", "Über", "it's"]);
const MADE_OID = 20_000;

/** OIDs of PostgreSQL's own types lie below 10,000. */
const OIDS: ReadonlyMap<SqlType | null, number> = new Map(
  Array.from({ length: 10_000 }, (_, oid) => [typeOfOid(oid), oid]),
);

function oidOf(type: SqlType): number {
  return OIDS.get(type) ?? MADE_OID;
}

const TYPES: readonly SqlType[] = [
  ...(["bool", "int2", "int4", "int8", "numeric", "float4", "float8", "text", "varchar"] as const),
  ...(["bpchar", "bytea", "uuid", "date", "time", "timestamp", "timestamptz", "interval"] as const),
  ...(["json", "jsonb", "int4[]", "int8[]", "numeric[]", "float8[]", "text[]"] as const),
  ...(["bool[]", "timestamptz[]", "date[]"] as const),
  MOOD,
];

/** Two columns of each type, so that an operator can stand between two of them. */
export const COLUMNS: readonly OracleColumn[] = TYPES.flatMap((type) =>
  ["a", "b"].map((letter) => ({
    name: `${letter}_${(enumOf(type)?.name ?? type).replace("[]", "s")}`,
    type,
  })),
);

/** The table's columns as the catalogue describes them. */
export const SCOPE_COLUMNS: readonly ScopeColumn[] = COLUMNS.map(({ name, type }) => ({
  name,
  typeOid: oidOf(type),
  typeName: printedType(type),
  collation: "C.UTF-8",
  ...(type === MOOD && { made: madeOf(type) }),
}));

function madeOf(type: SqlType): MadeType {
  const labels = enumOf(type)?.labels ?? [];
  return { typeOid: MADE_OID, typeName: printedType(type), labels };
}

/** The table's DDL. `character` is a fixed length, so that it is padded. */
export function createTable(name: string): string {
  const columns = COLUMNS.map(({ name: column, type }) => {
    return `${column} ${type === "bpchar" ? "character(6)" : printedType(type)}`;
  });
  const labels = (enumOf(MOOD)?.labels ?? []).map(quoteLiteral).join(", ");
  const table = `create table ${name} (id integer primary key, ${columns.join(", ")})`;
  return `create type mood as enum (${labels}); ${table}`;
}

/** Values of one row as the texts that PostgreSQL reads; null is NULL. */
export function randomRow(random: Random): (string | null)[] {
  return COLUMNS.map(({ type }) => (random.chance(0.12) ? null : literalOf(type, random)));
}

const RELATION_COLUMNS = COLUMNS.map(({ name, type }) => ({
  name,
  typeOid: oidOf(type),
  typeModifier: -1,
  isKey: false,
  codec: codecOf(oidOf(type)),
}));

/** The table as the stream describes it. */
export const RELATION: Relation = {
  oid: 1,
  schema: "public",
  name: "oracle_rows",
  qualifiedName: "public.oracle_rows",
  replicaIdentity: "default",
  columns: RELATION_COLUMNS,
};

/** A row as it comes out of a socket: its texts one after the other, with where each begins. */
export function frameOf(texts: readonly (string | null)[], commitMs: number): RowFrame {
  const cells = new Int32Array(2 * texts.length);
  const buffers: Buffer[] = [];
  let at = 0;
  texts.forEach((text, i) => {
    if (text === null) {
      cells[2 * i] = -1;
      return;
    }
    const bytes = Buffer.from(text);
    cells[2 * i] = at;
    at += bytes.length;
    cells[2 * i + 1] = at;
    buffers.push(bytes);
  });
  return { bytes: Buffer.concat(buffers), cells, base: 0, commitMs };
}

/** One of the table's columns of a type, or null. */
export function columnOf(type: SqlType, random: Random): string | null {
  const fitting = COLUMNS.filter((column) => column.type === type);
  return fitting.length === 0 ? null : oneOf(random, fitting).name;
}
