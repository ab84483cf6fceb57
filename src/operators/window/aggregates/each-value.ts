import type { CellCodec } from "../../../core/cell-codec.js";
import type { Rows } from "../../../core/rows.js";

/** A column of a selection of rows. */
export interface ColumnCells {
  readonly rows: Rows;
  /** Index of the column in the rows' relation. */
  readonly column: number;
  readonly codec: CellCodec;
}

/** Takes the value of each row whose cell is not NULL, in order; `k` is the row's number. */
export function eachValue<T>(
  { rows, column, codec }: ColumnCells,
  take: (k: number, value: T) => void,
): void {
  const { batch, indices, images, count } = rows;
  const { cells, bytes } = batch;
  for (let k = 0; k < count; k++) {
    const cell = (images[k] as number) + 2 * column;
    const start = cells[cell] as number;
    if (start < 0) continue;
    const end = cells[cell + 1] as number;
    take(k, codec.decode(bytes[indices[k] as number] as Uint8Array, start, end) as T);
  }
}

/** The value of one row; null for NULL. */
export function valueAt({ rows, column, codec }: ColumnCells, k: number): unknown {
  const cell = (rows.images[k] as number) + 2 * column;
  const start = rows.batch.cells[cell] as number;
  if (start < 0) return null;
  const bytes = rows.batch.bytes[rows.indices[k] as number] as Uint8Array;
  return codec.decode(bytes, start, rows.batch.cells[cell + 1] as number);
}

/** The text of one row's cell as PostgreSQL prints it; null for NULL. */
export function textAt({ rows, column, codec }: ColumnCells, k: number): string | null {
  const cell = (rows.images[k] as number) + 2 * column;
  const start = rows.batch.cells[cell] as number;
  if (start < 0) return null;
  const bytes = rows.batch.bytes[rows.indices[k] as number] as Uint8Array;
  const end = rows.batch.cells[cell + 1] as number;
  return codec.canonicalText?.(bytes, start, end) ?? UTF8.decode(bytes.subarray(start, end));
}

// A byte order mark is a character of the value like any other.
const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });
