import { readFile } from "node:fs/promises";
import { relative } from "node:path";
import type { SqlSession } from "../../core/sql.js";
import { printTypes } from "./print-types.js";
import { readTables, type TableSelection } from "./read-tables.js";

/** What types are written of. */
export interface TypesOptions extends TableSelection {
  /** The configuration file that the source is read from, for the command in the first lines. */
  readonly config?: string;
}

/**
 * TypeScript source with an interface for each table, one for the columns of its key, and
 * `Database`, which has them by name. The types are what the decoder delivers: an enum's labels, a
 * domain's base, a composite's fields, text for types it does not know, what a parser of the user's
 * says it makes. Columns that no publication sends are left out. Takes the tables of a publication,
 * or those named, or all of them.
 */
export async function generateTypes(session: SqlSession, options: TypesOptions): Promise<string> {
  return printTypes(await readTables(session, options), commandOf(options));
}

/** Whether the file is missing or differs from `generated`, line ends aside. */
export async function isStale(path: string, generated: string): Promise<boolean> {
  try {
    return (await readFile(path, "utf8")).replaceAll("\r\n", "\n") !== generated;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return true;
    throw error;
  }
}

function commandOf({ config, publication, tables = [] }: TypesOptions): string {
  const file = config === undefined ? null : relative("", config).replaceAll("\\", "/");
  const flags = [
    ...(file === null ? [] : [shellQuote(file)]),
    ...(publication === undefined ? [] : ["--publication", shellQuote(publication)]),
    ...[...tables].sort().flatMap((table) => ["--table", shellQuote(table)]),
  ];
  return ["tidemark types", ...flags].join(" ");
}

function shellQuote(word: string): string {
  return /^[\w./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}
