import { Batch, type TransactionSlice } from "./batch.js";
import type { Relation } from "./relation.js";

/**
 * What flows between operators: rows selected from a batch, all of one Relation version and one
 * transaction. Row `k` is change `indices[k]` of the batch. The selection belongs to its sender and
 * is only valid during the call; a receiver that narrows it writes a selection of its own.
 */
export interface Rows {
  batch: Batch;
  relation: Relation;
  /** The transaction; gives a row its position: commit LSN and ordinal. */
  slice: TransactionSlice;
  /** Only the first `count` entries count. */
  indices: Int32Array;
  count: number;
  /**
   * Event time of row `k`, milliseconds since the Unix epoch, rounded down; NaN for NULL,
   * ±Infinity for PostgreSQL's infinities.
   */
  eventMs: Float64Array;
}

/** An empty selection, to be filled and reused by its owner. */
export function emptyRows(): Rows {
  return {
    batch: new Batch(0, 0),
    relation: null as unknown as Relation,
    slice: null as unknown as TransactionSlice,
    indices: new Int32Array(0),
    count: 0,
    eventMs: new Float64Array(0),
  };
}
