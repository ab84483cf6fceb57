import { Batch, type TransactionSlice } from "../src/core/batch.js";
import type { Lsn } from "../src/core/lsn.js";

/** What is known of a transaction when its changes begin. */
export type TransactionFacts = Pick<
  TransactionSlice,
  "xid" | "commitLsn" | "commitMs" | "firstOrdinal" | "origin"
>;

/** The batch that a decoder fills, and the transaction that is open in it. */
export class BatchInProgress {
  batch: Batch = new Batch();
  /** The slice of the open transaction; null between transactions. */
  open: TransactionSlice | null = null;

  /** Changes, slices and messages since the last `take`. */
  get pending(): number {
    const { batch } = this;
    return batch.length + batch.transactions.length + batch.messages.length;
  }

  begin(facts: TransactionFacts): void {
    const at = this.batch.length;
    this.open = { ...facts, from: at, to: at, commitEndLsn: null };
    this.batch.transactions.push(this.open);
  }

  commit(open: TransactionSlice, commitEndLsn: Lsn): void {
    open.to = this.batch.length;
    open.commitEndLsn = commitEndLsn;
    this.open = null;
  }

  /** Hands the batch over and starts another one of about its size, in which `open` goes on. */
  take(): Batch {
    const { batch, open } = this;
    this.batch = new Batch(Math.max(64, batch.length), Math.max(1024, batch.cellsUsed));
    if (open !== null) {
      open.to = batch.length;
      this.begin({ ...open, firstOrdinal: open.firstOrdinal + open.to - open.from });
    }
    return batch;
  }
}
