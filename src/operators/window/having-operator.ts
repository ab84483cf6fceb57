import type { OutputOperator, StatefulOperator } from "../../core/operator.js";
import type { OutputBatch, OutputShape, ResultValue, ViewBatch } from "../../core/output.js";
import type { Rows } from "../../core/rows.js";

/** Whether a row of a result, its cells in the order of the shape, is to be in the view. */
export type PassesResult = (cells: readonly ResultValue[]) => boolean;

/** Settings of {@link HavingOperator}. */
export interface HavingOperatorOptions {
  /** Computes the rows. */
  readonly inner: OutputOperator;
  readonly shape: OutputShape;
  readonly passes: PassesResult;
}

/**
 * `HAVING`: of the rows of a view only those that fulfil a condition. A row that does not is
 * removed from the view each time it changes, whether it was there or not: what the view has need
 * not be remembered for that, and a removal of a row that is not there does nothing.
 */
export class HavingOperator implements OutputOperator {
  readonly id: string;
  readonly state: StatefulOperator["state"];
  readonly #options: HavingOperatorOptions;
  /** Columns that name a row. */
  readonly #names: readonly number[];

  constructor(options: HavingOperatorOptions) {
    const { inner, shape } = options;
    this.#options = options;
    this.id = inner.id;
    this.state = inner.state;
    this.#names = shape.columns.flatMap(({ role }, index) => (role === "value" ? [] : [index]));
  }

  get heldBytes(): number {
    return this.#options.inner.heldBytes;
  }

  onRows(rows: Rows): void {
    this.#options.inner.onRows(rows);
  }

  onWatermark(watermarkMs: number): void {
    this.#options.inner.onWatermark(watermarkMs);
  }

  onClear(): void {
    this.#options.inner.onClear();
  }

  collect(): OutputBatch | null {
    const batch = this.#options.inner.collect();
    return batch?.kind === "view" ? this.#narrowed(batch) : batch;
  }

  resend(): boolean {
    return this.#options.inner.resend();
  }

  replace(): boolean {
    return this.#options.inner.replace();
  }

  discard(): void {
    this.#options.inner.discard();
  }

  #narrowed(batch: ViewBatch): ViewBatch | null {
    const { passes } = this.#options;
    const columns: ResultValue[][] = batch.columns.map(() => []);
    // A batch of all the rows there are removes every other one anyway.
    const gone: ResultValue[][] = this.#names.map((_, i) => [...(batch.gone?.[i] ?? [])]);
    let rowCount = 0;
    for (let row = 0; row < batch.rowCount; row++) {
      const cells = batch.columns.map((column) => column[row] as ResultValue);
      if (passes(cells)) {
        rowCount++;
        for (const [c, cell] of cells.entries()) columns[c]?.push(cell);
      } else if (!batch.isWhole) {
        for (const [i, c] of this.#names.entries()) gone[i]?.push(cells[c] as ResultValue);
      }
    }
    const { removeBeforeMs, isWhole } = batch;
    const hasGone = (gone[0]?.length ?? 0) > 0;
    if (rowCount === 0 && !hasGone && removeBeforeMs === null && !isWhole) return null;
    return { ...batch, rowCount, columns, gone: hasGone ? gone : null };
  }
}
