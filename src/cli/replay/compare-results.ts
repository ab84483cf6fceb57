import type { OutputColumn, OutputShape } from "../../core/output.js";
import { quoteIdent, quoteTable, type SqlSession } from "../../core/sql.js";

/** A row that is not the same in both tables; null where it is not there. Texts of PostgreSQL. */
export interface DifferentRow {
  readonly key: string;
  readonly replayed: string | null;
  readonly existing: string | null;
}

/** How the results of a replay differ from those that exist. */
export interface Comparison {
  readonly output: string;
  /** In words, which rows were compared. */
  readonly compared: string;
  readonly same: number;
  /** Rows that only the replay has. */
  readonly added: number;
  /** Rows that only the existing results have. */
  readonly gone: number;
  readonly changed: number;
  readonly examples: readonly DifferentRow[];
}

/** Which rows of an output a replay can say something about. */
export interface ComparedRows {
  readonly words: string;
  /** A condition on its columns; empty for all. */
  readonly condition: string;
}

/** Two tables of one shape. */
export interface ComparedTables {
  readonly shape: OutputShape;
  readonly replayed: string;
  readonly existing: string;
  readonly rows: ComparedRows;
  readonly maxExamples: number;
}

/**
 * Compares what PostgreSQL prints of the rows, so that 1.0 and 1.00 differ. Runs where both tables
 * are, and sees both at one moment.
 */
export async function compareResults(
  session: SqlSession,
  tables: ComparedTables,
): Promise<Comparison> {
  const { shape, replayed, existing, rows, maxExamples } = tables;
  const keys = shape.columns.filter(({ role }) =>
    shape.kind === "append" ? role === "position" : role !== "value",
  );
  const values = shape.columns.filter((column) => !keys.includes(column));
  const where = rows.condition === "" ? "" : `where ${rows.condition}`;
  const side = (table: string): string =>
    `select ${rowText(keys)} as k, ${rowText(values)} as v from ${quoteTable(table)} ${where}`;
  const joined = `(${side(replayed)}) r full join (${side(existing)}) e using (k)`;
  const [counts] = await session.query(
    `select count(*) filter (where r.v = e.v)::float8 as same,
            count(*) filter (where e.v is null)::float8 as added,
            count(*) filter (where r.v is null)::float8 as gone,
            count(*) filter (where r.v <> e.v)::float8 as changed
     from ${joined}`,
  );
  const examples = await session.query(
    `select k as key, r.v as replayed, e.v as existing from ${joined}
     where r.v is distinct from e.v order by k limit $1`,
    [maxExamples],
  );
  return {
    output: shape.name,
    compared: rows.words,
    same: Number(counts?.["same"]),
    added: Number(counts?.["added"]),
    gone: Number(counts?.["gone"]),
    changed: Number(counts?.["changed"]),
    examples: examples as unknown as DifferentRow[],
  };
}

/** Whether the replay says the same as the results that exist. */
export function isSame({ added, gone, changed }: Comparison): boolean {
  return added + gone + changed === 0;
}

function rowText(columns: readonly OutputColumn[]): string {
  return `row(${columns.map(({ name }) => quoteIdent(name)).join(", ")})::text`;
}
