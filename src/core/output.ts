import type { Numeric } from "./numeric.js";
import type { Timestamp } from "./timestamp.js";

/** A value of a result row; `String(value)` is a text of it that PostgreSQL reads (but for -0). */
export type ResultValue = string | number | bigint | boolean | Numeric | Timestamp | null;

/** A column of a result. */
export interface OutputColumn {
  readonly name: string;
  /** PostgreSQL type, as `format_type` prints it. */
  readonly sqlType: string;
  /** The key names the row (group columns and window start); values are what was computed. */
  readonly role: "group" | "time" | "value";
}

/** What an output looks like; fixed when the pipeline starts. */
export interface OutputShape {
  /** Name of the output, `schema.table` for a table. */
  readonly name: string;
  readonly columns: readonly OutputColumn[];
}

/**
 * What changed in one output since the last time it was collected: whole rows by key, to be
 * inserted or to replace the row of that key, and a lower bound of the time column below which
 * rows are to be removed. Removal comes first. The receiver owns it.
 */
export interface OutputBatch {
  readonly output: string;
  readonly rowCount: number;
  /** One array of `rowCount` values a column, in the shape's order. */
  readonly columns: readonly (readonly ResultValue[])[];
  /** Milliseconds since the Unix epoch, or null when nothing is to be removed. */
  readonly removeBeforeMs: number | null;
}
