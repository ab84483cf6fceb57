import type { ResultValue } from "../../../core/output.js";
import type { Rows } from "../../../core/rows.js";
import type { StateColumn } from "../../../state/state-column.js";

/**
 * One aggregate over many groups: numbers in arrays, indexed by slot. Rows come a selection at a
 * time, so that the loop is inside and the aggregate's code stays monomorphic.
 */
export interface Aggregate extends StateColumn {
  /** PostgreSQL type of the result. */
  readonly sqlType: string;
  /**
   * Adds row `k` of `rows` to `slots[k]`, for all k. `columns` are the indices of the aggregate's
   * columns in the rows' relation.
   */
  add(rows: Rows, slots: Int32Array, columns: readonly number[]): void;
  /**
   * Brings into `slot` what `fromSlot` of `from` has had: `slot` is then as if it had had its own
   * rows and after them those. `from` is the same aggregate of this state or of another one, and
   * stays as it is. Associative; with a cleared slot nothing changes.
   */
  merge(slot: number, from: this, fromSlot: number): void;
  /** The result of a slot that has had at least one row. */
  result(slot: number): ResultValue;
}

/** Copies `from` into a longer array. */
export function grown<A extends Float64Array | Int32Array | Uint16Array>(from: A, to: A): A {
  to.set(from);
  return to;
}
