import { stringLiteral } from "../../../decoders/types/string-literal.js";
import { quoteIdent, splitTableName } from "../../core/sql.js";
import { interfaceNames, SUFFIX } from "./interface-names.js";
import type { PublishedColumn, PublishedTable } from "./published-table.js";

const MAX_COLUMNS = 100;
/** Types that the package exports; everything else a codec names is part of the language. */
const EXPORTED = ["CalendarDate", "Interval", "Numeric", "Range", "TimeOfDay", "Timestamp"];

/** The source text of a types file. `command` writes it again. Equal input gives equal bytes. */
export function printTypes(tables: readonly PublishedTable[], command: string): string {
  const names = interfaceNames(tables);
  const types = tables.flatMap((table) => table.columns.map(({ codec }) => codec.tsType));
  const imports = EXPORTED.filter((name) =>
    types.some((type) => new RegExp(`\\b${name}\\b`).test(type)),
  );
  return [
    "// Generated from the database's catalogue; edits are lost. To write it again:",
    `// ${command.replaceAll(/\p{Cc}|\u2028|\u2029/gu, "?")}`,
    "",
    ...printImports([...imports, "Published"].sort()),
    "",
    "/** Tables by name, for `pipeline<Database>(...)`. */",
    "export interface Database {",
    ...tables.flatMap((table, i) => printEntry(table, names[i] ?? "")),
    "}",
    ...tables.flatMap((table, i) => [
      ...["", ...printTable(table, names[i] ?? "")],
      ...printKey(table, names[i] ?? ""),
      ...printLarge(table, names[i] ?? ""),
    ]),
    "",
  ].join("\n");
}

function printImports(names: readonly string[]): string[] {
  const line = `import type { ${names.join(", ")} } from "tidemark";`;
  if (line.length <= MAX_COLUMNS) return [line];
  return ["import type {", ...names.map((name) => `  ${name},`), '} from "tidemark";'];
}

function printEntry(table: PublishedTable, name: string): string[] {
  const parts = [name, identityOf(table, name)];
  if (largeColumns(table).length > 0) parts.push(name + SUFFIX.large);
  const key = stringLiteral(keyOf(table));
  const line = `  ${key}: Published<${parts.join(", ")}>;`;
  if (widthOf(line) <= MAX_COLUMNS) return [line];
  const last = parts.length - 1;
  return [
    `  ${key}: Published<`,
    ...parts.map((part, i) => `    ${part}${i === last ? "" : ","}`),
    "  >;",
  ];
}

/** Second parameter of `Published`: the whole row, the key's columns, or nothing. */
function identityOf(table: PublishedTable, name: string): string {
  if (table.replicaIdentity === "full") return '"full"';
  return keyColumns(table).length === 0 ? "null" : name + SUFFIX.key;
}

function keyColumns({ columns, identityKey }: PublishedTable): PublishedColumn[] {
  return columns.filter(({ name }) => identityKey.includes(name));
}

/** Large columns that no old row stands in for. The key of an old row is sent where it is large. */
function largeColumns(table: PublishedTable): PublishedColumn[] {
  const { columns, identityKey } = table;
  if (keyColumns(table).length === 0) return [];
  return columns.filter(({ name, isLarge }) => isLarge && !identityKey.includes(name));
}

function printKey(table: PublishedTable, name: string): string[] {
  const columns = keyColumns(table);
  if (columns.length === 0) return [];
  return ["", `export interface ${name}${SUFFIX.key} {`, ...columns.flatMap(printColumn), "}"];
}

function printLarge(table: PublishedTable, name: string): string[] {
  const names = largeColumns(table).map((column) => stringLiteral(column.name));
  if (names.length === 0) return [];
  const type = `export type ${name}${SUFFIX.large}`;
  const line = `${type} = ${names.join(" | ")};`;
  if (names.length === 1 || widthOf(line) <= MAX_COLUMNS) return ["", line];
  const last = names.length - 1;
  return ["", `${type} =`, ...names.map((one, i) => `  | ${one}${i === last ? ";" : ""}`)];
}

/** The name that `from(...)` takes: quoted only where it would be split at another place. */
function keyOf({ schema, name }: PublishedTable): string {
  const plain = `${schema}.${name}`;
  const split = splitTableName(plain);
  const isPlain = split.schema === schema && split.name === name;
  return isPlain ? plain : `${quoteIdent(schema)}.${quoteIdent(name)}`;
}

function printTable(table: PublishedTable, name: string): string[] {
  const comment = printComment(table.comment, "");
  if (table.columns.length === 0) {
    return [...comment, `export type ${name} = Record<never, never>;`];
  }
  const columns = table.columns.flatMap((column) => [
    ...printComment(column.comment, "  "),
    ...printColumn(column),
  ]);
  return [...comment, `export interface ${name} {`, ...columns, "}"];
}

function printColumn(column: PublishedColumn): string[] {
  const key = isIdentifier(column.name) ? column.name : stringLiteral(column.name);
  const { labels, codec, isNotNull, dimensions } = column;
  const isReplaced = codec.parse !== undefined;
  const isArray = codec.kind === "array" && !isReplaced;
  const inner = isArray ? "[]".repeat(Math.max(0, dimensions - 1)) : "";
  const members =
    labels === null || isReplaced ? [codec.tsType + inner] : labels.map(stringLiteral);
  // NULL is part of unknown already.
  if (!isNotNull && codec.tsType !== "unknown") members.push("null");
  const line = `  ${key}: ${members.join(" | ")};`;
  if (members.length === 1 || widthOf(line) <= MAX_COLUMNS) return [line];
  return [
    `  ${key}:`,
    ...members.map((m, i) => `    | ${m}${i === members.length - 1 ? ";" : ""}`),
  ];
}

function printComment(comment: string | null, indent: string): string[] {
  if (comment === null || comment.trim() === "") return [];
  const lines = comment
    .trim()
    .replaceAll("*/", "*\\/")
    .split(/\r\n?|\n/)
    .map((line) => line.trimEnd());
  const single = `${indent}/** ${lines[0]} */`;
  if (lines.length === 1 && widthOf(single) <= MAX_COLUMNS) return [single];
  const body = lines.map((line) => `${indent} *${line === "" ? "" : ` ${line}`}`);
  return [`${indent}/**`, ...body, `${indent} */`];
}

function isIdentifier(name: string): boolean {
  return /^[\p{ID_Start}_$][\p{ID_Continue}$]*$/u.test(name);
}

/** Columns on a screen, as formatters count them: East Asian characters take two. */
function widthOf(text: string): number {
  const wide = text.match(
    /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60]/g,
  );
  return text.length + (wide?.length ?? 0);
}
