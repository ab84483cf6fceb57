import type { Operator } from "../core/operator.js";
import { Row } from "../core/row.js";
import { beginNarrowed, emptyRows, pushRow, type Rows } from "../core/rows.js";
import type { PoisonGate } from "./poison/poison-gate.js";
import { userFailure } from "./user-failure.js";

/** Settings of {@link FilterOperator}. */
export interface FilterOperatorOptions {
  readonly id: string;
  readonly predicate: (row: Row) => boolean;
  /** Takes rows for which the predicate throws; null lets them stop the pipeline. */
  readonly gate: PoisonGate | null;
  readonly next: readonly Operator[];
}

/** Lets rows pass for which a user's predicate is true. */
export class FilterOperator implements Operator {
  readonly id: string;
  readonly #options: FilterOperatorOptions;
  readonly #kept: Rows = emptyRows();

  constructor(options: FilterOperatorOptions) {
    this.id = options.id;
    this.#options = options;
  }

  onRows(rows: Rows): void {
    const { indices, images, eventMs, count } = rows;
    const kept = this.#kept;
    beginNarrowed(kept, rows);
    for (let k = 0; k < count; k++) {
      const i = indices[k] as number;
      if (!this.#keeps(rows, k)) continue;
      kept.eventMs[kept.count] = eventMs[k] as number;
      pushRow(kept, i, images[k] as number);
    }
    if (kept.count === 0) return;
    for (const next of this.#options.next) next.onRows(kept);
  }

  onWatermark(watermarkMs: number): void {
    for (const next of this.#options.next) next.onWatermark(watermarkMs);
  }

  onClear(): void {
    for (const next of this.#options.next) next.onClear();
  }

  #keeps(rows: Rows, k: number): boolean {
    const { batch, relation, indices, images } = rows;
    const bytes = batch.bytes[indices[k] as number] as Uint8Array;
    const row = Row.of(relation, bytes, batch.cells, images[k] as number);
    const { predicate, gate } = this.#options;
    try {
      return predicate(row);
    } catch (thrown) {
      const error = userFailure(thrown, this.id, relation.qualifiedName);
      if (gate === null) throw error;
      gate.divert(rows, k, { step: this.id, error });
      return false;
    }
  }
}
