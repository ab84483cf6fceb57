// The types that expressions know, with what PostgreSQL's rules for choosing an operator need:
// category, the preferred type of each category, and the casts that happen by themselves.
// (pg_type.dat, pg_cast.dat; manual, chapter 10)

/** Types that are no arrays, under the names of pg_type. */
export type ScalarType =
  | "bool"
  | "int2"
  | "int4"
  | "int8"
  | "numeric"
  | "float4"
  | "float8"
  | "text"
  | "varchar"
  | "bpchar"
  | "bytea"
  | "uuid"
  | "date"
  | "time"
  | "timestamp"
  | "timestamptz"
  | "interval"
  | "json"
  | "jsonb";

/** An enum, with its name and labels in it as JSON, so that a tree says all that it needs. */
export type EnumType = `enum ${string}`;

/** A type that is no array. */
export type ElementType = ScalarType | EnumType;

/** A type; `unknown` is a string literal or NULL that has not found its type. */
export type SqlType = ElementType | `${ScalarType}[]` | `${EnumType}[]` | "unknown";

interface TypeFacts {
  readonly oid: number;
  readonly arrayOid: number;
  /** As `format_type` prints it. */
  readonly printed: string;
  /** `typcategory`. */
  readonly category: string;
}

const FACTS: Readonly<Record<ScalarType, TypeFacts>> = {
  bool: { oid: 16, arrayOid: 1000, printed: "boolean", category: "B" },
  int2: { oid: 21, arrayOid: 1005, printed: "smallint", category: "N" },
  int4: { oid: 23, arrayOid: 1007, printed: "integer", category: "N" },
  int8: { oid: 20, arrayOid: 1016, printed: "bigint", category: "N" },
  numeric: { oid: 1700, arrayOid: 1231, printed: "numeric", category: "N" },
  float4: { oid: 700, arrayOid: 1021, printed: "real", category: "N" },
  float8: { oid: 701, arrayOid: 1022, printed: "double precision", category: "N" },
  text: { oid: 25, arrayOid: 1009, printed: "text", category: "S" },
  varchar: { oid: 1043, arrayOid: 1015, printed: "character varying", category: "S" },
  bpchar: { oid: 1042, arrayOid: 1014, printed: "character", category: "S" },
  bytea: { oid: 17, arrayOid: 1001, printed: "bytea", category: "U" },
  uuid: { oid: 2950, arrayOid: 2951, printed: "uuid", category: "U" },
  date: { oid: 1082, arrayOid: 1182, printed: "date", category: "D" },
  time: { oid: 1083, arrayOid: 1183, printed: "time without time zone", category: "D" },
  timestamp: {
    ...{ oid: 1114, arrayOid: 1115, category: "D" },
    printed: "timestamp without time zone",
  },
  timestamptz: {
    ...{ oid: 1184, arrayOid: 1185, category: "D" },
    printed: "timestamp with time zone",
  },
  interval: { oid: 1186, arrayOid: 1187, printed: "interval", category: "T" },
  json: { oid: 114, arrayOid: 199, printed: "json", category: "U" },
  jsonb: { oid: 3802, arrayOid: 3807, printed: "jsonb", category: "U" },
};

/** All of them, smallest numbers first. */
export const SCALAR_TYPES: readonly ScalarType[] = Object.keys(FACTS) as ScalarType[];

const PREFERRED: ReadonlySet<SqlType> = new Set([
  "bool",
  "float8",
  "text",
  "timestamptz",
  "interval",
]);

/** What casts to what without being asked (castcontext `i`). */
const IMPLICIT: Readonly<Partial<Record<SqlType, readonly SqlType[]>>> = {
  int2: ["int4", "int8", "numeric", "float4", "float8"],
  int4: ["int8", "numeric", "float4", "float8"],
  int8: ["numeric", "float4", "float8"],
  numeric: ["float4", "float8"],
  float4: ["float8"],
  text: ["varchar", "bpchar"],
  varchar: ["text", "bpchar"],
  bpchar: ["text", "varchar"],
  date: ["timestamp", "timestamptz"],
  timestamp: ["timestamptz"],
  time: ["interval"],
};

const BY_OID: ReadonlyMap<number, SqlType> = new Map(
  SCALAR_TYPES.flatMap((type): [number, SqlType][] => [
    [FACTS[type].oid, type],
    [FACTS[type].arrayOid, `${type}[]`],
  ]),
);

/** The type with this OID, or null when expressions cannot read it. */
export function typeOfOid(oid: number): SqlType | null {
  return BY_OID.get(oid) ?? null;
}

/** The type that is printed so, with or without length or precision; null for an unknown one. */
export function typePrinted(name: string): { type: SqlType; typeOid: number } | null {
  const plain = name.replace(/\(.*?\)/, "");
  const isArray = plain.endsWith("[]");
  const element = SCALAR_TYPES.find((type) => FACTS[type].printed === plain.replace("[]", ""));
  if (element === undefined) return null;
  const { oid, arrayOid } = FACTS[element];
  return isArray ? { type: `${element}[]`, typeOid: arrayOid } : { type: element, typeOid: oid };
}

/** The type of an enum; labels are in its order. */
export function enumType(name: string, labels: readonly string[]): EnumType {
  return `enum ${JSON.stringify([name, ...labels])}`;
}

/** The name and the labels, in their order, of an enum; null for another type. */
export function enumOf(type: SqlType): { name: string; labels: readonly string[] } | null {
  if (!isEnum(type)) return null;
  const [name = "", ...labels] = JSON.parse(type.slice("enum ".length)) as string[];
  return { name, labels };
}

/** Whether a type is an enum. */
export function isEnum(type: SqlType): type is EnumType {
  return type.startsWith("enum ") && !type.endsWith("[]");
}

/** A type as PostgreSQL prints it: `timestamp with time zone`, `integer[]`. */
export function printedType(type: SqlType): string {
  if (type === "unknown") return "unknown";
  const element = elementOf(type);
  if (element !== null) return `${printedType(element)}[]`;
  return enumOf(type)?.name ?? FACTS[type as ScalarType].printed;
}

/** The element type of an array type, or null. */
export function elementOf(type: SqlType): ElementType | null {
  return type.endsWith("[]") ? (type.slice(0, -2) as ElementType) : null;
}

/** `typcategory`: `N` numbers, `S` strings, `A` arrays, `E` enums, `X` unknown. */
export function categoryOf(type: SqlType): string {
  if (type === "unknown") return "X";
  if (isEnum(type)) return "E";
  return elementOf(type) === null ? FACTS[type as ScalarType].category : "A";
}

/** Whether a type is its category's first choice. */
export function isPreferred(type: SqlType): boolean {
  return PREFERRED.has(type);
}

/** Whether a value of `from` becomes one of `to` without a cast being written. */
export function castsImplicitly(from: SqlType, to: SqlType): boolean {
  if (from === to || from === "unknown") return true;
  const element = elementOf(from);
  const target = elementOf(to);
  if (element !== null && target !== null) {
    return IMPLICIT[element]?.includes(target) ?? false;
  }
  return IMPLICIT[from]?.includes(to) ?? false;
}

const ALIASES: Readonly<Record<string, ScalarType>> = {
  boolean: "bool",
  smallint: "int2",
  integer: "int4",
  int: "int4",
  bigint: "int8",
  decimal: "numeric",
  real: "float4",
  float: "float8",
};

/** The type that a name in `pg_catalog` or on the search path means, or null. */
export function typeNamed(name: string): ScalarType | null {
  if (name in FACTS) return name as ScalarType;
  return Object.hasOwn(ALIASES, name) ? (ALIASES[name] as ScalarType) : null;
}
