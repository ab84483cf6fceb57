import type { AppendBatch } from "../../core/output.js";
import { PackedCells } from "../../core/packed-cells.js";

/**
 * Rows of an append table that wait to be collected, column by column. What was given out once is
 * not kept, so that it cannot be given again.
 */
export class HeldRows {
  readonly #output: string;
  readonly #columns: readonly PackedCells[];
  #count = 0;

  constructor(output: string, columnCount: number) {
    this.#output = output;
    this.#columns = Array.from({ length: columnCount }, () => new PackedCells());
  }

  get bytes(): number {
    let bytes = 0;
    for (const cells of this.#columns) bytes += cells.size;
    return bytes;
  }

  /** A column's cells; every column gets one more for each row. */
  column(index: number): PackedCells {
    return this.#columns[index] as PackedCells;
  }

  /** Counts rows whose cells were added. */
  grow(rows: number): void {
    this.#count += rows;
  }

  /** All rows, and from which time on older ones leave the table; null when there is neither. */
  take(removeBeforeMs: number | null): AppendBatch | null {
    const rowCount = this.#count;
    if (rowCount === 0 && removeBeforeMs === null) return null;
    this.#count = 0;
    const cells = this.#columns.map((column) => column.take());
    return { kind: "append", output: this.#output, rowCount, cells, removeBeforeMs };
  }

  clear(): void {
    for (const cells of this.#columns) cells.clear();
    this.#count = 0;
  }
}
