import { assert } from "../core/assert.js";
import type { Batch, TransactionSlice } from "../core/batch.js";
import type { Lsn } from "../core/lsn.js";
import type { OutputOperator, StateBlock, StateSnapshot } from "../core/operator.js";
import type { AppendBatch, OutputBatch } from "../core/output.js";
import type { SourceOperator } from "../operators/source-operator.js";
import { joinSnapshots } from "../state/join-snapshots.js";
import { fitState, type RestoredState, stateMismatch } from "./fit-state.js";

/** What has gone through the engine. */
export interface EngineCounters {
  transactions: number;
  changes: number;
  /** Transactions the server sent again and that were left out. */
  duplicates: number;
}

/** Where an engine begins. */
export interface EngineStart {
  /** The checkpoint's position. */
  readonly cursor: Lsn;
  /** The sink's position: transactions up to here only rebuild state. */
  readonly replayUntil: Lsn;
  /** Server clock of the idle advance recorded at `replayUntil`, or null. */
  readonly idleMs: number | null;
  /** The state begins with a copy, and what the sink has is not from it. */
  readonly isAnew?: boolean;
  /** Called between transactions, when that idle advance was repeated and nothing came after. */
  readonly onReplayed?: () => void;
}

/**
 * Runs transactions through the operators and knows where it stands. Synchronous; awaits nothing.
 *
 * `cursor` is the commit end LSN of the last whole transaction (or an idle position). A transaction
 * whose commit record begins before the cursor was processed already: the server may send it again
 * after a crash of its own. One that begins exactly at the cursor is new (two commit records can
 * touch), which is why ends are compared with beginnings and never anything inside a transaction.
 */
export class Engine {
  readonly counters: EngineCounters = { transactions: 0, changes: 0, duplicates: 0 };
  readonly #sources: readonly SourceOperator[];
  readonly #outputs: readonly OutputOperator[];
  #cursor: Lsn;
  /** Results up to here are in the sink already. */
  readonly #replayUntil: Lsn;
  readonly #idleMs: number | null;
  readonly #onReplayed: () => void;
  readonly #isAnew: boolean;
  #resent: readonly OutputOperator[] = [];
  #replaced: readonly OutputOperator[] = [];
  /** Nothing was saved yet: what changes before the results' position is all there is. */
  #isFirst = false;
  #isSkipping = false;
  #isInTransaction = false;
  /** Something may have changed since the results were collected. */
  #hasUncollected = false;
  #lastCommitMs: number | null = null;

  constructor(
    sources: readonly SourceOperator[],
    outputs: readonly OutputOperator[],
    start: EngineStart,
  ) {
    this.#sources = sources;
    this.#outputs = outputs;
    this.#cursor = start.cursor;
    this.#replayUntil = start.replayUntil;
    this.#idleMs = start.idleMs;
    this.#onReplayed = start.onReplayed ?? (() => {});
    this.#isAnew = start.isAnew ?? false;
  }

  get cursor(): Lsn {
    return this.#cursor;
  }

  /** Whether a transaction is half-way through, so that nothing may be collected. */
  get isInTransaction(): boolean {
    return this.#isInTransaction;
  }

  /** Whether results are still being rebuilt that the sink has. */
  get isReplaying(): boolean {
    return this.#cursor < this.#replayUntil;
  }

  /** Commit time of the last transaction, milliseconds since the Unix epoch. */
  get lastCommitMs(): number | null {
    return this.#lastCommitMs;
  }

  /** The least watermark of the sources; null before the first. */
  get watermarkMs(): number | null {
    const least = Math.min(...this.#sources.map((source) => source.watermarkMs));
    return Number.isFinite(least) ? least : null;
  }

  get stateBytes(): number {
    return this.#outputs.reduce((bytes, output) => bytes + output.state.bytes, 0);
  }

  /** Bytes of results that the outputs hold until they are collected. */
  get heldBytes(): number {
    return this.#outputs.reduce((bytes, output) => bytes + output.heldBytes, 0);
  }

  /**
   * Loads the blocks of a checkpoint. Throws STATE_MISMATCH when some of them fit no step, unless
   * they may be dropped.
   */
  restore(blocks: readonly StateBlock[], mayDrop = false): RestoredState {
    const { fitting, unfit } = fitState([...this.#outputs, ...this.#sources], blocks);
    if (unfit.length > 0 && !mayDrop) throw stateMismatch(unfit, this.#cursor);
    for (const { id, state } of [...this.#outputs, ...this.#sources]) {
      state.restore(fitting.get(id) ?? []);
    }
    for (const source of this.#sources) source.announce();
    const unfed = this.#outputs.filter(({ id }) => !fitting.has(id));
    // A checkpoint without any state is a pipeline's first. Results beyond it may be of another
    // edition of the pipeline; where there are none, nothing can be missing.
    this.#isFirst = blocks.length === 0;
    this.#replaced = this.#isFirst && !this.isReplaying ? [] : unfed;
    if (this.#isAnew) this.#replaced = this.#outputs;
    const fresh = this.#isFirst ? [] : unfed;
    return { dropped: unfit, fresh: fresh.map(({ id }) => id) };
  }

  /**
   * Has outputs give all their rows at the next collection that may be: the chosen ones because
   * their tables are empty, those that began without state because their tables may hold rows that
   * this state knows nothing of. Returns whether there is anything to give.
   */
  resend(isChosen: readonly boolean[]): boolean {
    this.#resent = this.#outputs.filter((_, index) => isChosen[index] === true);
    // In a replay it is known when that is over.
    if (this.isReplaying) return this.#resent.length + this.#replaced.length > 0;
    return this.#giveAll();
  }

  /** Processes one slice of a batch. */
  apply(batch: Batch, slice: TransactionSlice): void {
    if (!this.#isInTransaction) {
      if (this.isReplaying && slice.commitLsn >= this.#replayUntil) this.#finishReplay();
      this.#isSkipping = slice.commitLsn < this.#cursor;
      this.#isInTransaction = true;
    }
    if (!this.#isSkipping) {
      this.#hasUncollected = true;
      for (const source of this.#sources) source.onSlice(batch, slice);
      this.counters.changes += slice.to - slice.from;
    }
    if (slice.commitEndLsn !== null) this.#commit(slice, slice.commitEndLsn);
  }

  /** Moves on to a position the server named while nothing was open. */
  advance(position: Lsn): void {
    assert(!this.#isInTransaction, "an idle position is no place inside a transaction");
    if (position > this.#cursor) this.#moveTo(position);
  }

  /** Lets the server's clock move the watermarks. Only together with a checkpoint. */
  onIdle(serverMs: number): void {
    this.#hasUncollected = true;
    for (const source of this.#sources) source.onIdle(serverMs);
  }

  /** The outputs' changes since the last call. Only between transactions, and not in a replay. */
  collect(): OutputBatch[] {
    assert(!this.#isInTransaction, "results are collected between transactions");
    assert(!this.isReplaying, "results that the sink has are not collected again");
    this.#hasUncollected = false;
    return this.#outputs.flatMap((output) => output.collect() ?? []);
  }

  /**
   * What is held of results that only grow, also in the middle of a transaction: to be staged, not
   * to be seen. In a replay it is dropped, since the sink has it.
   */
  collectHeld(): AppendBatch[] {
    const holding = this.#outputs.filter((output) => output.heldBytes > 0);
    if (this.isReplaying) {
      for (const output of holding) output.discard();
      return [];
    }
    const batches = holding.flatMap((output) => output.collect() ?? []);
    return batches.map((batch) => {
      assert(batch.kind === "append", "only rows that are appended are held");
      return batch;
    });
  }

  /** Begins a snapshot of the state that changed since the last one. Follows a `collect`. */
  snapshot(): StateSnapshot {
    assert(!this.#isInTransaction, "a checkpoint stands on a commit boundary");
    assert(!this.#hasUncollected, "a checkpoint is taken after its results are");
    const states = [...this.#outputs, ...this.#sources].map(({ state }) => state);
    return joinSnapshots(states.map((state) => state.snapshot()));
  }

  #commit(slice: TransactionSlice, end: Lsn): void {
    this.#isInTransaction = false;
    if (this.#isSkipping) {
      this.counters.duplicates++;
      return;
    }
    this.counters.transactions++;
    this.#lastCommitMs = slice.commitMs;
    for (const source of this.#sources) source.onCommit(slice.commitMs);
    assert(end > this.#cursor, "transactions arrive in the order of their commits");
    this.#moveTo(end);
  }

  #moveTo(position: Lsn): void {
    if (this.isReplaying && position >= this.#replayUntil) this.#finishReplay();
    if (position > this.#cursor) this.#cursor = position;
  }

  /**
   * Everything that the sink has is in the state again; nothing newer is. A replay from the
   * beginning has also seen the results that outlive their state, of windows that have closed:
   * whoever replaces what the sink has needs them.
   */
  #finishReplay(): void {
    this.#cursor = this.#replayUntil;
    if (this.#idleMs !== null) this.onIdle(this.#idleMs);
    for (const output of this.#outputs) {
      const isKept = this.#isFirst && this.#replaced.includes(output) && output.replace();
      if (!isKept) output.discard();
    }
    this.#hasUncollected = false;
    this.#giveAll();
    if (this.#idleMs !== null) this.#onReplayed();
  }

  #giveAll(): boolean {
    let hasRows = false;
    for (const output of this.#resent) hasRows = output.resend() || hasRows;
    for (const output of this.#replaced) output.replace();
    return hasRows || this.#replaced.length > 0;
  }
}
