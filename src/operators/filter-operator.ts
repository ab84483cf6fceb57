import { TidemarkError } from "../core/errors.js";
import type { Operator } from "../core/operator.js";
import { Row } from "../core/row.js";
import { emptyRows, type Rows } from "../core/rows.js";

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

/**
 * USER_FUNCTION, or BAD_VALUE when the function read a cell that is none. The message of a foreign
 * error may quote the row, so only its name and place are repeated; the error itself is the cause.
 */
function userFailure(error: unknown, step: string, table: string): TidemarkError {
  if (error instanceof TidemarkError) {
    const { code, message, detail } = error;
    return new TidemarkError(code, `${step}: ${message}`, { cause: error, detail });
  }
  const name = error instanceof Error ? error.name : typeof error;
  const place =
    error instanceof Error ? /\n\s+at .*?([^\s()]+:\d+:\d+)\)?/.exec(error.stack ?? "") : null;
  return new TidemarkError(
    "USER_FUNCTION",
    `The function of step "${step}" threw ${name} for a row of ${table}` +
      `${place === null ? "" : ` at ${place[1]}`}. Correct it and start again: nothing from that ` +
      "row's transaction on was acknowledged.",
    { cause: error, detail: { step, table } },
  );
}
