import type { Lsn } from "../../src/core/lsn.js";
import { maxLsn } from "../../src/core/lsn.js";
import { messagesOf, type Sale, sale, salesRelation } from "../fixtures/shop.js";

/** A committed transaction in the log. */
export interface LoggedTransaction {
  /** Start of its commit record. */
  readonly commitLsn: Lsn;
  readonly endLsn: Lsn;
  readonly commitMs: number;
  readonly sales: readonly Sale[];
  /** As pgoutput sends it. */
  readonly messages: readonly Buffer[];
}

/** A replication slot: what the server knows, and what its disk knows. */
export interface SimulatedSlot {
  confirmed: Lsn;
  /** What `confirmed` falls back to when the server crashes. */
  persisted: Lsn;
}

/** Log that one record takes; small, so that positions touch often. */
const RECORD = 8n;

/**
 * A PostgreSQL as far as a logical slot sees it (manual, 47.2): a log of commits in order, of which
 * only the flushed part is ever sent; a slot whose confirmed position is volatile, and saved now
 * and then; and the rule which transactions a new reader is sent. What it does is written down from
 * the manual and the server's source; nothing yet holds it against a real server.
 */
export class SimulatedPostgres {
  readonly log: LoggedTransaction[] = [];
  insertLsn: Lsn = 100n;
  flushedLsn: Lsn = 100n;
  slot: SimulatedSlot | null = null;
  /** Where the slot begins: what was committed before is none of its business. */
  bornLsn: Lsn = 0n;
  isUp = true;
  /** Whether transactions without a row of ours are sent, as servers do before version 15. */
  sendsEmpty = false;
  #open: Sale[][] = [];

  /** Transactions that are open now. */
  get openCount(): number {
    return this.#open.length;
  }

  begin(): void {
    this.#open.push([]);
  }

  /** A row in the open transaction `index`. */
  insert(index: number, row: Sale): void {
    this.#open[index]?.push(row);
    this.insertLsn += RECORD;
  }

  rollback(index: number): void {
    this.#open.splice(index, 1);
    this.insertLsn += RECORD;
  }

  /** Commits; with `isFlushed` the log is on disk when it returns, and only then it is sent. */
  commit(index: number, nowMs: number, isFlushed: boolean): void {
    const [sales = []] = this.#open.splice(index, 1);
    const commitLsn = this.insertLsn;
    const endLsn = commitLsn + RECORD;
    this.insertLsn = endLsn;
    if (sales.length > 0 || this.sendsEmpty) {
      const changes = [salesRelation, ...sales.map(sale)];
      const messages = messagesOf({ commitLsn, endLsn, commitMs: nowMs, changes });
      this.log.push({ commitLsn, endLsn, commitMs: nowMs, sales, messages });
    }
    if (isFlushed) this.flush();
  }

  /** Log that is none of the publication's business. */
  noise(): void {
    this.insertLsn += RECORD;
  }

  flush(): void {
    this.flushedLsn = this.insertLsn;
  }

  /** What the slot has to bring. */
  get published(): LoggedTransaction[] {
    return this.log.filter(({ commitLsn }) => commitLsn >= this.bornLsn);
  }

  /** Index of the first transaction that a reader who starts at `startLsn` is sent. */
  firstSent(startLsn: Lsn): number {
    const from = maxLsn(startLsn, this.slot?.confirmed ?? startLsn);
    const index = this.log.findIndex((transaction) => transaction.commitLsn >= from);
    return index < 0 ? this.log.length : index;
  }

  /** Makes the slot; its consistent point is behind everything that is in the log. */
  createSlot(): Lsn {
    this.noise();
    this.flush();
    this.bornLsn = this.insertLsn;
    this.slot = { confirmed: this.bornLsn, persisted: this.bornLsn };
    return this.bornLsn;
  }

  /** A status update: the slot moves, and never back. `isSaved`: its restart position moved too. */
  acknowledge(flush: Lsn, isSaved: boolean): void {
    if (this.slot === null) return;
    this.slot.confirmed = maxLsn(this.slot.confirmed, flush);
    if (isSaved) this.slot.persisted = this.slot.confirmed;
  }

  /** The log behind its flushed part is gone, and what the slot was told since it was saved. */
  crash(): void {
    this.isUp = false;
    this.#open = [];
    while ((this.log.at(-1)?.endLsn ?? 0n) > this.flushedLsn) this.log.pop();
    this.insertLsn = this.flushedLsn;
    if (this.slot !== null) this.slot.confirmed = this.slot.persisted;
  }

  /** An orderly end: log and slot are saved. */
  stop(): void {
    this.isUp = false;
    this.#open = [];
    this.flush();
    if (this.slot !== null) this.slot.persisted = this.slot.confirmed;
  }

  start(): void {
    this.isUp = true;
    this.noise();
    this.flush();
  }
}
