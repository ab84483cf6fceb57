import type { Numeric } from "./numeric.js";
import type { Timestamp } from "./timestamp.js";

/** A value of a result row; `String(value)` is a text of it that PostgreSQL reads (but for -0). */
export type ResultValue = string | number | bigint | boolean | Numeric | Timestamp | null;

/** A column of a result. */
export interface OutputColumn {
  readonly name: string;
  /** PostgreSQL type, as `format_type` prints it. */
  readonly sqlType: string;
  /**
   * What the column is for. Of a view, group columns and the window start name the row. Of an
   * append table, the position columns do; its time column is the commit's time.
   */
  readonly role: "group" | "time" | "position" | "value";
}

/** What an output looks like; fixed when the pipeline starts. */
export interface OutputShape {
  /** A view has a row a key, which is replaced; an append table only gets new rows. */
  readonly kind: "view" | "append";
  /** Name of the output, `schema.table` for a table. */
  readonly name: string;
  readonly columns: readonly OutputColumn[];
}

/**
 * What changed in a view since the last time it was collected: whole rows by key, to be inserted or
 * to replace the row of that key, and a lower bound of the time column below which rows are to be
 * removed. Removal comes first. The receiver owns it.
 */
export interface ViewBatch {
  readonly kind: "view";
  readonly output: string;
  readonly rowCount: number;
  /** One array of `rowCount` values a column, in the shape's order. */
  readonly columns: readonly (readonly ResultValue[])[];
  /**
   * Keys of rows to be removed: one array a column that names the row, in the shape's order. Null
   * when there are none.
   */
  readonly gone: readonly (readonly ResultValue[])[] | null;
  /** Milliseconds since the Unix epoch, or null when nothing is to be removed. */
  readonly removeBeforeMs: number | null;
  /** Whether these are all rows there are: every other one is removed. */
  readonly isWhole: boolean;
}

/**
 * Rows to be added to an append table, and a bound of its time column below which older ones are to
 * be removed. Cells are the texts they arrived as, packed by column: see PackedCells. The receiver
 * owns it.
 */
export interface AppendBatch {
  readonly kind: "append";
  readonly output: string;
  readonly rowCount: number;
  /** The packed cells of each column, in the shape's order. */
  readonly cells: readonly Uint8Array[];
  /** Milliseconds since the Unix epoch, or null when nothing is to be removed. */
  readonly removeBeforeMs: number | null;
}

/** What an output has to say since the last time it was collected. */
export type OutputBatch = ViewBatch | AppendBatch;
