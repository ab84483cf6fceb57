import type { Operator } from "../core/operator.js";
import { Row } from "../core/row.js";
import { emptyRows, type Rows } from "../core/rows.js";
import { userFailure } from "./user-failure.js";

/** Lets rows pass for which a user's predicate is true. */
export class FilterOperator implements Operator {
  readonly id: string;
  readonly #predicate: (row: Row) => boolean;
  readonly #next: readonly Operator[];
  readonly #kept: Rows = emptyRows();

  constructor(id: string, predicate: (row: Row) => boolean, next: readonly Operator[]) {
    this.id = id;
    this.#predicate = predicate;
    this.#next = next;
  }

  onRows(rows: Rows): void {
    const { batch, relation, slice, indices, eventMs, count } = rows;
    const kept = this.#kept;
    if (kept.indices.length < count) {
      kept.indices = new Int32Array(indices.length);
      kept.eventMs = new Float64Array(indices.length);
    }
    kept.batch = batch;
    kept.relation = relation;
    kept.slice = slice;
    kept.count = 0;
    for (let k = 0; k < count; k++) {
      const i = indices[k] as number;
      const bytes = batch.bytes[i] as Uint8Array;
      const row = Row.of(relation, bytes, batch.cells, batch.after[i] as number);
      if (!this.#keeps(row, relation.qualifiedName)) continue;
      kept.indices[kept.count] = i;
      kept.eventMs[kept.count++] = eventMs[k] as number;
    }
    if (kept.count === 0) return;
    for (const next of this.#next) next.onRows(kept);
  }

  onWatermark(watermarkMs: number): void {
    for (const next of this.#next) next.onWatermark(watermarkMs);
  }

  #keeps(row: Row, table: string): boolean {
    try {
      return this.#predicate(row);
    } catch (error) {
      throw userFailure(error, this.id, table);
    }
  }
}
