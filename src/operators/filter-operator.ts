import type { Operator } from "../core/operator.js";
import { Row } from "../core/row.js";
import { beginNarrowed, emptyRows, pushRow, type Rows } from "../core/rows.js";
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
    const { batch, relation, indices, images, eventMs, count } = rows;
    const kept = this.#kept;
    beginNarrowed(kept, rows);
    for (let k = 0; k < count; k++) {
      const i = indices[k] as number;
      const image = images[k] as number;
      const row = Row.of(relation, batch.bytes[i] as Uint8Array, batch.cells, image);
      if (!this.#keeps(row, relation.qualifiedName)) continue;
      kept.eventMs[kept.count] = eventMs[k] as number;
      pushRow(kept, i, image);
    }
    if (kept.count === 0) return;
    for (const next of this.#next) next.onRows(kept);
  }

  onWatermark(watermarkMs: number): void {
    for (const next of this.#next) next.onWatermark(watermarkMs);
  }

  onClear(): void {
    for (const next of this.#next) next.onClear();
  }

  #keeps(row: Row, table: string): boolean {
    try {
      return this.#predicate(row);
    } catch (error) {
      throw userFailure(error, this.id, table);
    }
  }
}
