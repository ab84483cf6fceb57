import type { Operator } from "../core/operator.js";
import type { Relation } from "../core/relation.js";
import { beginNarrowed, emptyRows, pushRow, type Rows } from "../core/rows.js";
import type { PoisonGate } from "./poison/poison-gate.js";
import type { PassesRow, RowTest } from "./row-test.js";

/** Settings of {@link FilterOperator}. */
export interface FilterOperatorOptions {
  readonly id: string;
  readonly test: RowTest;
  /** Takes rows for which the test throws; null lets them stop the pipeline. */
  readonly gate: PoisonGate | null;
  readonly next: readonly Operator[];
}

/** Lets rows pass for which a test is true. */
export class FilterOperator implements Operator {
  readonly id: string;
  readonly #options: FilterOperatorOptions;
  readonly #kept: Rows = emptyRows();
  #relation: Relation | null = null;
  #passes: PassesRow = () => false;

  constructor(options: FilterOperatorOptions) {
    this.id = options.id;
    this.#options = options;
  }

  onRows(rows: Rows): void {
    const { relation, indices, images, eventMs, count } = rows;
    if (relation !== this.#relation) {
      this.#passes = this.#options.test.bind(relation, this.id);
      this.#relation = relation;
    }
    const kept = this.#kept;
    beginNarrowed(kept, rows);
    for (let k = 0; k < count; k++) {
      if (!this.#keeps(rows, k)) continue;
      kept.eventMs[kept.count] = eventMs[k] as number;
      pushRow(kept, indices[k] as number, images[k] as number);
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
    try {
      return this.#passes(rows, k);
    } catch (error) {
      const { gate } = this.#options;
      if (gate === null) throw error;
      gate.divert(rows, k, { step: this.id, error });
      return false;
    }
  }
}
