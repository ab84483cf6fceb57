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
  /** Where the cells of row `k` begin in `batch.cells`. */
  images: Int32Array;
  /** 1 for rows that came into the table, -1 for rows that were there and have left it. */
  weight: 1 | -1;
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
    images: new Int32Array(0),
    weight: 1,
    eventMs: new Float64Array(0),
  };
}

/** Appends change `index` with the image at `image` to a selection of one's own. */
export function pushRow(rows: Rows, index: number, image: number): void {
  const at = rows.count;
  if (at === rows.indices.length) reserveRows(rows, Math.max(512, at * 2));
  rows.indices[at] = index;
  rows.images[at] = image;
  rows.count = at + 1;
}

/** Makes room for `count` rows; those that are there stay, their event times do not. */
export function reserveRows(rows: Rows, count: number): void {
  if (rows.indices.length >= count) return;
  const indices = new Int32Array(count);
  indices.set(rows.indices);
  rows.indices = indices;
  const images = new Int32Array(count);
  images.set(rows.images);
  rows.images = images;
  rows.eventMs = new Float64Array(count);
}

/** Makes `rows` an empty selection of the same batch, relation, transaction and weight. */
export function beginNarrowed(rows: Rows, from: Rows): void {
  reserveRows(rows, from.count);
  rows.batch = from.batch;
  rows.relation = from.relation;
  rows.slice = from.slice;
  rows.weight = from.weight;
  rows.count = 0;
}
