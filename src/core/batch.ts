import { assert } from "./assert.js";
import type { Lsn } from "./lsn.js";
import type { Relation } from "./relation.js";
import { Row } from "./row.js";

/** Operation of a change, as small integers for the arrays of a batch. */
export const Op = { insert: 1, update: 2, delete: 3, truncate: 4 } as const;
export type Op = (typeof Op)[keyof typeof Op];

/** In `cells`, in place of a start offset: SQL NULL. */
export const NULL_CELL = -1;
/** In `cells`, in place of a start offset: a TOAST value that the UPDATE did not change or send. */
export const UNCHANGED_CELL = -2;
/** In `cells`, in place of a start offset: a key image does not have this column. */
export const ABSENT_CELL = -3;
/** In `after` and `before`: the change has no such image. */
export const NO_IMAGE = -1;

/**
 * In `xid`: no transaction of the source, but rows that were in its tables before. Zero is
 * PostgreSQL's invalid transaction.
 */
export const COPY_XID = 0;

/**
 * A stretch of one transaction inside a batch. A transaction larger than a batch has several; only
 * the last one carries `commitEndLsn`.
 */
export interface TransactionSlice {
  readonly xid: number;
  /** Start of the commit record; names the transaction in row identities (commit LSN, ordinal). */
  readonly commitLsn: Lsn;
  /** Commit time by the server's clock, milliseconds since the Unix epoch (may have a fraction). */
  readonly commitMs: number;
  /** Ordinal within the transaction of the change at `from`. */
  readonly firstOrdinal: number;
  /** First change of the slice in the batch. */
  readonly from: number;
  /** One past the last change. */
  to: number;
  /** End of the commit record, or null while the transaction goes on in the next batch. */
  commitEndLsn: Lsn | null;
  /** Name of the replication origin, when the source itself has it from another server. */
  origin?: string;
}

/** What `pg_logical_emit_message` wrote; only sent when it is asked for. */
export interface LogicalMessage {
  /** It stands before this change of the batch, or at the batch's end. */
  readonly at: number;
  /** Whether it belongs to the transaction that is open there; others come as they are written. */
  readonly isTransactional: boolean;
  readonly lsn: Lsn;
  readonly prefix: string;
  /** A copy of its own. */
  readonly content: Uint8Array;
}

/**
 * The noun that flows: changes in commit order, column-wise, with cells still as the bytes they
 * arrived in. Change `i` has operation `ops[i]`, relation `relations[i]`, and images whose cells
 * start at `cells[after[i]]` and `cells[before[i]]`. A cell is a pair: start and end offset in
 * `bytes[i]`, or NULL_CELL / UNCHANGED_CELL / ABSENT_CELL.
 *
 * Ownership: the decoder fills a batch and hands it over; nobody writes to it afterwards. Cells
 * point into the buffer a socket read filled, so state that outlives the batch copies what it
 * keeps.
 */
export class Batch {
  length = 0;
  ops: Uint8Array;
  relations: Relation[] = [];
  bytes: Uint8Array[] = [];
  after: Int32Array;
  before: Int32Array;
  cells: Int32Array;
  cellsUsed = 0;
  readonly transactions: TransactionSlice[] = [];
  readonly messages: LogicalMessage[] = [];

  /** `changes` and `cells` are first sizes; both grow as needed. */
  constructor(changes = 512, cells = 8192) {
    this.ops = new Uint8Array(changes);
    this.after = new Int32Array(changes);
    this.before = new Int32Array(changes);
    this.cells = new Int32Array(cells);
  }

  /** Appends a change whose images are already in `cells`. For decoders. */
  push(op: Op, relation: Relation, bytes: Uint8Array, after: number, before: number): void {
    const i = this.length;
    if (i === this.ops.length) this.#growChanges();
    this.ops[i] = op;
    this.after[i] = after;
    this.before[i] = before;
    this.relations.push(relation);
    this.bytes.push(bytes);
    this.length = i + 1;
  }

  /** Makes room for `count` more cells and returns the array, which may be a new one. */
  reserveCells(count: number): Int32Array {
    const needed = this.cellsUsed + 2 * count;
    if (needed > this.cells.length) {
      const larger = new Int32Array(Math.max(needed, this.cells.length * 2));
      larger.set(this.cells);
      this.cells = larger;
    }
    return this.cells;
  }

  /** The row at image `image` (an entry of `after` or `before`) of change `i`. */
  row(i: number, image: number): Row {
    const bytes = this.bytes[i];
    const relation = this.relations[i];
    assert(
      bytes !== undefined && relation !== undefined && image >= 0,
      "an image belongs to a row",
    );
    return Row.of(relation, bytes, this.cells, image);
  }

  #growChanges(): void {
    const size = Math.max(64, this.ops.length * 2);
    this.ops = grown(new Uint8Array(size), this.ops);
    this.after = grown(new Int32Array(size), this.after);
    this.before = grown(new Int32Array(size), this.before);
  }
}

function grown<A extends Uint8Array | Int32Array>(larger: A, from: A): A {
  larger.set(from);
  return larger;
}
