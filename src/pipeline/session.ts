import { assert } from "../core/assert.js";
import type { Batch } from "../core/batch.js";
import type { CheckpointStore } from "../core/checkpoint-store.js";
import { TidemarkError } from "../core/errors.js";
import { type Failpoint, NO_FAILPOINT } from "../core/failpoint.js";
import { type Lsn, ZERO_LSN } from "../core/lsn.js";
import type { Position } from "../core/position.js";
import type { RunStateName } from "../core/run-state.js";
import type { Sink, SinkCommit } from "../core/sink.js";
import type { ChangeStream, TableSnapshot } from "../core/source.js";
import type { DeadLetters } from "../operators/poison/dead-letters.js";
import { Checkpointer } from "./checkpointer.js";
import { Engine } from "./engine.js";
import { decideFlush } from "./flush-policy.js";
import { forgetState } from "./forget-state.js";
import { type OpenedSession, openSession } from "./open-session.js";
import type { RuntimeParts } from "./runtime.js";
import type { RunStatus } from "./status.js";

/** An idle position that a server shutting down waits for is saved at most this often. */
const URGENT_INTERVAL_MS = 100;
/** How long the end of a session waits for what is being written and saved. */
const WRITE_END_MS = 2_000;
/** How long a stop waits for its last checkpoint to be durable, so that the slot gets to know. */
const SETTLE_END_MS = 1_000;

/**
 * From loading the checkpoint to the end of the connection. The read path is synchronous: a read
 * becomes a batch, the batch goes through the engine, done. Beside it at most one write and one
 * checkpoint are under way; while they are, the engine goes on with the next rows, and what changes
 * meanwhile is collected for the write after. Reading stops (back-pressure) when more than
 * `maxInFlightBytes` came in during one write.
 *
 * Order of a checkpoint: results with their position (sink), then state (store), then, once the
 * store says that it is durable there, the ack. Later results do not wait for the state to be
 * saved. Results between two checkpoints need not survive a crash of the sink: what is lost there
 * is computed again from the checkpoint, whose own results were durable before it was saved.
 */
export class Session {
  readonly #parts: RuntimeParts;
  readonly #sink: Sink;
  readonly #store: CheckpointStore;
  readonly #failpoint: Failpoint;
  #stream: ChangeStream | null = null;
  #engine: Engine | null = null;
  #letters: DeadLetters | null = null;
  #epoch = 0;
  #ownEpoch: number;
  #systemId = "";
  #timeline = 0;
  #applied: Lsn = ZERO_LSN;
  #checkpointer: Checkpointer | null = null;
  #writing: Promise<void> | null = null;
  #isPaused = false;
  #isStopping = false;
  /** A stop has reached a boundary: what comes after it is left to the next start. */
  #isHalted = false;
  /** The tables are being copied, and nothing of that is saved. */
  #isCopying = false;
  #isOver = false;
  #hasNews = false;
  /** Rows were processed since the last checkpoint began. */
  #hasUnsavedRows = false;
  #hasProgressed = false;
  #idle: { readonly serverMs: number; readonly isUrgent: boolean } | null = null;
  #bytesAtFlush = 0;
  #lastFlushMs = 0;
  #lastWriteMs = 0;
  #lastCheckpointMs = 0;
  #cancelTimer: () => void = () => {};
  #fail: (error: unknown) => void = () => {};
  #onBoundary: () => void = () => {};

  /** `ownEpoch`: what the last session of this process has claimed, 0 for none. */
  constructor(parts: RuntimeParts, ownEpoch: number) {
    this.#ownEpoch = ownEpoch;
    this.#parts = parts;
    this.#sink = parts.openSink();
    this.#store = parts.openStore();
    this.#failpoint = parts.failpoint ?? NO_FAILPOINT;
  }

  /** The last epoch that this process tried to claim, 0 for none. */
  get ownEpoch(): number {
    return this.#ownEpoch;
  }

  /** Whether the stream was opened and the checkpoint loaded. */
  get hasRun(): boolean {
    return this.#engine !== null;
  }

  /** Whether something became durable. */
  get hasProgressed(): boolean {
    return this.#hasProgressed;
  }

  get status(): RunStatus | null {
    const engine = this.#engine;
    if (engine === null) return null;
    return {
      ...engine.counters,
      state: this.#state(engine),
      epoch: this.#epoch,
      cursor: engine.cursor,
      applied: this.#applied,
      checkpoint: this.#checkpointer?.saved ?? ZERO_LSN,
      acknowledged: this.#checkpointer?.acknowledgeable ?? ZERO_LSN,
      bytesReceived: this.#stream?.bytesReceived ?? 0,
      stateBytes: engine.stateBytes,
      watermarkMs: engine.watermarkMs,
      lastCommitMs: engine.lastCommitMs,
      isReplaying: engine.isReplaying,
      deadLetters: this.#letters?.count ?? 0,
      blockedKeys: this.#letters?.blocked.size ?? 0,
    };
  }

  #state(engine: Engine): RunStateName {
    if (this.#isStopping) return "DRAINING";
    if (this.#isCopying) return "COPYING";
    return engine.isReplaying ? "REPLAYING" : "RUNNING";
  }

  /** Resolves after `stop`; rejects with what ended the session. */
  async run(): Promise<void> {
    const failed = new Promise<never>((_, reject) => {
      this.#fail = reject;
    });
    failed.catch(() => {}); // also observed below
    try {
      const { stream, snapshot } = await this.#open();
      if (this.#isStopping) return;
      if (snapshot !== null) {
        await Promise.race([this.#copy(snapshot), stream.closed, failed]);
        if (this.#isStopping) return;
      }
      stream.resume();
      this.#considerFlush();
      const status = this.status;
      if (status !== null) this.#parts.onRunning?.(status);
      await Promise.race([stream.closed, failed]);
    } finally {
      this.#isOver = true;
      this.#cancelTimer();
      this.#checkpointer?.close();
      await this.#stream?.close();
      await this.#within(WRITE_END_MS, Promise.all([this.#writing, this.#checkpointer?.ended]));
      await Promise.all([this.#sink.close(), this.#store.close()]);
    }
  }

  /**
   * Waits for `work`, which does not reject, but not longer than this. What hangs is left alone;
   * whether it took effect, the next run reads.
   */
  #within(limitMs: number, work: Promise<unknown>): Promise<void> {
    return new Promise<void>((resolve) => {
      const cancel = this.#parts.clock.after(limitMs, resolve);
      void work.finally(() => {
        cancel();
        resolve();
      });
    });
  }

  /** Saves what is whole, acknowledges it and closes. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    const stream = this.#stream;
    const engine = this.#engine;
    const checkpointer = this.#checkpointer;
    // Of a copy nothing can be saved but the whole: the next start begins it anew.
    const isSavable = stream !== null && !this.#isCopying;
    if (isSavable && engine !== null && checkpointer !== null) {
      await this.#drain(engine, checkpointer);
      await this.#within(SETTLE_END_MS, checkpointer.settled);
    }
    await stream?.close();
  }

  async #open(): Promise<OpenedSession> {
    const opened = await openSession(this.#parts, {
      sink: this.#sink,
      store: this.#store,
      handlers: {
        onBatch: (batch) => this.#onBatch(batch),
        onIdle: (walEnd, serverMs, isUrgent) => this.#onIdle(walEnd, serverMs, isUrgent),
      },
      ownEpoch: this.#ownEpoch,
      onStream: (stream) => {
        this.#stream = stream;
      },
      onEpoch: (epoch) => {
        this.#ownEpoch = epoch;
      },
    });
    const { compiled, stream, epoch, checkpoint, progress, created, snapshot } = opened;
    const isAnew = snapshot !== null;
    this.#epoch = epoch;
    this.#systemId = stream.position.systemId;
    this.#timeline = stream.position.timeline;
    this.#applied = progress.position.lsn;
    if (progress.idleMs !== null) stream.advanced?.(this.#applied, progress.idleMs);
    const engine = new Engine(compiled.sources, compiled.outputs, {
      // A copy is a transaction that ends where the stream begins.
      cursor: isAnew ? checkpoint.position.lsn - 1n : checkpoint.position.lsn,
      replayUntil: isAnew ? ZERO_LSN : this.#applied,
      idleMs: progress.idleMs,
      isAnew,
      onReplayed: () => this.#saveReplayed(progress.idleMs),
    });
    const restored = engine.restore(checkpoint.blocks, this.#parts.mayDropState);
    if (restored.dropped.length + restored.fresh.length > 0) {
      const at = { checkpoint: checkpoint.position.lsn, results: this.#applied };
      this.#parts.onRestored?.(restored, at);
      void this.#failpoint("state-fitted");
    }
    await forgetState(this.#store, restored.dropped, { epoch, position: checkpoint.position });
    this.#checkpointer = new Checkpointer({
      store: this.#store,
      clock: this.#parts.clock,
      failpoint: this.#failpoint,
      epoch,
      loaded: isAnew ? ZERO_LSN : checkpoint.position.lsn,
      onSaved: () => this.#guard(() => this.#onEnded()),
      onSettled: () => this.#guard(() => this.#onSettled()),
      onFailed: (error) => this.#fail(error),
    });
    this.#engine = engine;
    this.#letters = compiled.letters;
    this.#hasNews = engine.resend(compiled.shapes.map(({ name }) => created.includes(name)));
    this.#lastCheckpointMs = isAnew ? Number.NEGATIVE_INFINITY : this.#parts.clock.monotonic();
    return opened;
  }

  /**
   * Begins the state with the rows that the tables held where the slot begins. The stream waits
   * until results and checkpoint of that are durable: until then the next start begins the copy
   * anew, with another slot, and there is nothing but results that it replaces.
   */
  async #copy(snapshot: TableSnapshot): Promise<void> {
    const engine = this.#engine;
    const checkpointer = this.#checkpointer;
    assert(engine !== null && checkpointer !== null, "an open session has an engine");
    this.#isCopying = true;
    const status = this.status;
    if (status !== null) this.#parts.onCopying?.(status);
    await snapshot.copy((batch) => {
      if (this.#isOver) return;
      void this.#failpoint("copying");
      for (const slice of batch.transactions) engine.apply(batch, slice);
      this.#limit(engine);
    });
    await snapshot.close();
    this.#hasNews = true;
    this.#hasUnsavedRows = true;
    this.#considerFlush();
    await checkpointer.ended;
    await checkpointer.settled;
    this.#isCopying = false;
  }

  #onBatch(batch: Batch): void {
    const engine = this.#engine;
    if (engine === null) return;
    void this.#failpoint("receive");
    const slices = batch.transactions;
    const lastWhole = slices.findLastIndex((slice) => slice.commitEndLsn !== null);
    slices.forEach((slice, index) => {
      if (this.#isHalted) return;
      engine.apply(batch, slice);
      this.#hasUnsavedRows ||= slice.to > slice.from;
      if (index !== lastWhole) return;
      this.#hasNews = true;
      this.#considerFlush();
      this.#onBoundary();
    });
    if (engine.isInTransaction) void this.#failpoint("mid-transaction");
    this.#limit(engine);
  }

  #onIdle(walEnd: Lsn, serverMs: number, isUrgent: boolean): void {
    const engine = this.#engine;
    if (engine === null || engine.isInTransaction || this.#isHalted) return;
    engine.advance(walEnd);
    this.#idle = { serverMs, isUrgent };
    this.#considerFlush();
  }

  /** A write is under way or has to wait. */
  get #isWriting(): boolean {
    return this.#writing !== null || this.#checkpointer?.holdsResults === true;
  }

  #considerFlush(): void {
    const engine = this.#engine;
    const checkpointer = this.#checkpointer;
    if (engine === null || checkpointer === null || this.#isOver) return;
    const { settings, clock } = this.#parts;
    const nowMs = clock.monotonic();
    const isUrgent = this.#isStopping || (this.#idle?.isUrgent ?? false);
    const decision = decideFlush({
      nowMs,
      isCollectable: !engine.isInTransaction && !engine.isReplaying,
      isWriting: this.#isWriting,
      isCheckpointing: checkpointer.isBusy,
      hasNews: this.#hasNews,
      isCheckpointBehind: engine.cursor > checkpointer.saved,
      isUrgent: isUrgent && nowMs - this.#lastCheckpointMs >= URGENT_INTERVAL_MS,
      bytesSinceFlush: (this.#stream?.bytesReceived ?? 0) - this.#bytesAtFlush,
      lastFlushMs: this.#lastFlushMs,
      lastWriteMs: this.#lastWriteMs,
      lastCheckpointMs: this.#lastCheckpointMs,
      flushIntervalMs: settings.flushIntervalMs,
      checkpointIntervalMs: this.#hasUnsavedRows
        ? settings.checkpointIntervalMs
        : settings.idleCheckpointIntervalMs,
    });
    if (decision.flush) this.#flush(engine, decision.checkpoint, nowMs);
    this.#cancelTimer();
    if (decision.waitMs === null) return;
    this.#cancelTimer = clock.after(decision.waitMs, () =>
      this.#guard(() => this.#considerFlush()),
    );
  }

  /** Collects synchronously what is to be written, then writes it in the background. */
  #flush(engine: Engine, withCheckpoint: boolean, nowMs: number): void {
    // Only together with a checkpoint, so that no replay has to repeat more than the last one.
    const idleMs = withCheckpoint && !this.#hasUnsavedRows ? (this.#idle?.serverMs ?? null) : null;
    if (idleMs !== null) {
      engine.onIdle(idleMs);
      this.#stream?.advanced?.(engine.cursor, idleMs);
    }
    const outputs = engine.collect();
    const position = this.#positionOf(engine);
    this.#hasNews = false;
    this.#lastFlushMs = nowMs;
    this.#bytesAtFlush = this.#stream?.bytesReceived ?? 0;
    if (outputs.length === 0 && !withCheckpoint) return;
    const written = this.#write({
      epoch: this.#epoch,
      position,
      watermarkMs: engine.watermarkMs,
      idleMs,
      outputs,
      mustBeDurable: withCheckpoint,
    });
    this.#begin(written);
    if (!withCheckpoint) return;
    this.#lastCheckpointMs = nowMs;
    this.#hasUnsavedRows = false;
    this.#idle = null;
    // A write before it is saved would make the sink forget the idle advance.
    const holdsResults = idleMs !== null;
    const snapshot = engine.snapshot();
    this.#checkpointer?.begin({ position, snapshot, written, holdsResults });
  }

  /**
   * The next write of results makes the sink forget the idle advance that was just repeated, so the
   * state that it left is saved before. Rows that outputs give anew are written first, and with
   * them the advance once more: a checkpoint must not know a step whose view is not its own yet.
   */
  #saveReplayed(idleMs: number | null): void {
    const engine = this.#engine;
    assert(engine !== null && this.#writing === null, "nothing is written during a replay");
    const position = this.#positionOf(engine);
    const outputs = engine.collect();
    const { watermarkMs } = engine;
    const commit = { epoch: this.#epoch, position, watermarkMs, idleMs, outputs };
    const written =
      outputs.length === 0 ? Promise.resolve() : this.#write({ ...commit, mustBeDurable: true });
    if (outputs.length > 0) this.#begin(written);
    this.#checkpointer?.begin({
      position,
      snapshot: engine.snapshot(),
      written,
      holdsResults: true,
    });
  }

  /**
   * A transaction may have more rows than are to be held: they are sent ahead, into the database
   * transaction that the next flush ends.
   */
  #stage(engine: Engine): void {
    const batches = engine.collectHeld();
    if (batches.length === 0) return;
    this.#lastFlushMs = this.#parts.clock.monotonic();
    this.#bytesAtFlush = this.#stream?.bytesReceived ?? 0;
    this.#begin(this.#sink.stage(batches));
  }

  #begin(writing: Promise<void>): void {
    this.#writing = writing.then(
      () => this.#guard(() => this.#onWritten()),
      (error: unknown) => this.#fail(error),
    );
  }

  #positionOf(engine: Engine): Position {
    return { systemId: this.#systemId, timeline: this.#timeline, lsn: engine.cursor };
  }

  /** What throws in a timer or after a write ends the session like any other failure. */
  #guard(action: () => void): void {
    try {
      action();
    } catch (error) {
      this.#fail(error);
    }
  }

  async #write(commit: SinkCommit): Promise<void> {
    await this.#sink.write(commit);
    await this.#failpoint("results-committed");
    this.#applied = commit.position.lsn;
    this.#report();
  }

  #report(): void {
    this.#stream?.report(this.#checkpointer?.acknowledgeable ?? ZERO_LSN, this.#applied);
  }

  #onWritten(): void {
    this.#writing = null;
    this.#lastWriteMs = this.#parts.clock.monotonic() - this.#lastFlushMs;
    this.#onEnded();
  }

  #onSettled(): void {
    this.#report();
    void this.#failpoint("acknowledged");
  }

  /** A write or a checkpoint is done: what waited for it goes on. */
  #onEnded(): void {
    this.#hasProgressed = true;
    const mayRead = !this.#isStopping || this.#engine?.isInTransaction === true;
    if (this.#isPaused && !this.#isWriting && mayRead) {
      this.#isPaused = false;
      this.#stream?.resume();
    }
    this.#considerFlush();
    this.#onBoundary();
  }

  /** Back-pressure, and the caps on results that are held and on state. */
  #limit(engine: Engine): void {
    const { maxInFlightBytes, maxOutputBytes, maxStateBytes } = this.#parts.settings;
    if (engine.heldBytes > maxOutputBytes && this.#writing === null) this.#stage(engine);
    const ahead = (this.#stream?.bytesReceived ?? 0) - this.#bytesAtFlush;
    const isTooMuch = ahead > maxInFlightBytes || engine.heldBytes > maxOutputBytes;
    if (this.#isWriting && !this.#isPaused && isTooMuch) {
      this.#isPaused = true;
      this.#stream?.pause();
    }
    const bytes = engine.stateBytes;
    if (bytes <= maxStateBytes) return;
    throw new TidemarkError(
      "STATE_LIMIT",
      `The windows hold about ${Math.round(bytes / 2 ** 20)} MiB, more than maxStateBytes allows ` +
        `(${Math.round(maxStateBytes / 2 ** 20)} MiB). Nothing was lost: set retain on the view, ` +
        "or raise maxStateBytes.",
    );
  }

  /** Waits until everything that is whole is durable, or the deadline. */
  #drain(engine: Engine, checkpointer: Checkpointer): Promise<void> {
    const { clock, settings } = this.#parts;
    return new Promise((resolve) => {
      const cancel = clock.after(settings.stopDeadlineMs, resolve);
      const end = (): void => {
        cancel();
        resolve();
      };
      this.#onBoundary = () => {
        if (engine.isInTransaction && !engine.isReplaying) return;
        this.#isHalted = true;
        void this.#failpoint("draining");
        this.#stream?.pause();
        if (!engine.isReplaying && engine.cursor > checkpointer.saved) {
          this.#lastCheckpointMs = Number.NEGATIVE_INFINITY;
          this.#considerFlush();
        }
        if (this.#writing === null && !checkpointer.isBusy) end();
      };
      this.#stream?.closed.then(end, end);
      this.#onBoundary();
    });
  }
}
