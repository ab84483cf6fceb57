import { assert } from "../core/assert.js";
import type { Batch, TransactionSlice } from "../core/batch.js";
import { TidemarkError } from "../core/errors.js";
import { type Lsn, maxLsn } from "../core/lsn.js";
import type { OutputBatch, OutputShape } from "../core/output.js";
import type { Position } from "../core/position.js";
import type { Sink } from "../core/sink.js";
import type { ChangeSource, ChangeStream } from "../core/source.js";
import { compilePlan } from "./compile.js";
import { grammarFor } from "./conditions.js";
import { Engine } from "./engine.js";
import { type Plan, tablesOf } from "./plan.js";

/** Which transactions are replayed: those whose commit record begins in [from, to). */
export interface ReplayRange {
  /** The state begins empty here. */
  readonly from: Position;
  /** Leaves out what committed before, too; milliseconds since the Unix epoch. */
  readonly fromMs: number | null;
  /** Null reads to the end of the source. */
  readonly to: Lsn | null;
  /** Ends at the first transaction that committed then or later. */
  readonly toMs: number | null;
}

/** What a replay is made of. */
export interface ReplayParts {
  readonly plan: Plan;
  readonly source: ChangeSource;
  /** Opened and closed by the replay; what it held before goes on being there. */
  readonly sink: Sink;
  readonly range: ReplayRange;
  /**
   * Whether the source's idle advances are those that the recorded run made. A server's own
   * keepalives say when the replay reads, not when the run did, and move nothing.
   */
  readonly hasRecordedIdles: boolean;
  readonly maxStateBytes: number;
  /** Bytes of the stream between two writes. */
  readonly writeEveryBytes: number;
}

/** What a replay did. Times are milliseconds since the Unix epoch, null without a transaction. */
export interface ReplayOutcome {
  readonly fromLsn: Lsn;
  /** Everything up to here is in the results. */
  readonly toLsn: Lsn;
  readonly transactions: number;
  readonly changes: number;
  readonly firstCommitMs: number | null;
  readonly lastCommitMs: number | null;
  readonly watermarkMs: number | null;
  readonly outputs: readonly OutputShape[];
}

/**
 * Runs a plan from nothing over a stretch of a source, once, to its end. No checkpoint, no retry,
 * no clock: the same stretch gives the same results, whenever they are written.
 */
export async function replay(parts: ReplayParts): Promise<ReplayOutcome> {
  const { plan, source, sink, range } = parts;
  const tables = await source.describe(tablesOf(plan));
  const compiled = compilePlan(plan, tables, await grammarFor(plan));
  const engine = new Engine(compiled.sources, compiled.outputs, {
    cursor: range.from.lsn,
    replayUntil: 0n,
    idleMs: null,
  });
  try {
    const progress = await sink.open();
    await sink.prepare(compiled.shapes);
    const epoch = (progress?.epoch ?? 0) + 1;
    await sink.claim(epoch, range.from);
    const pass = new ReplayPass(parts, engine, epoch);
    await pass.run();
    return {
      fromLsn: range.from.lsn,
      toLsn: maxLsn(engine.cursor, range.from.lsn),
      transactions: engine.counters.transactions,
      changes: engine.counters.changes,
      firstCommitMs: pass.firstCommitMs,
      lastCommitMs: engine.lastCommitMs,
      watermarkMs: engine.watermarkMs,
      outputs: compiled.shapes,
    };
  } finally {
    await sink.close();
  }
}

/** One reading of the stream. */
class ReplayPass {
  firstCommitMs: number | null = null;
  readonly #parts: ReplayParts;
  readonly #engine: Engine;
  readonly #epoch: number;
  #stream: ChangeStream | null = null;
  #writing: Promise<void> | null = null;
  #bytesWritten = 0;
  #hasEnded = false;
  /** The transaction under way committed before the range. */
  #isTooEarly = false;
  #end: () => void = () => {};
  #fail: (error: unknown) => void = () => {};

  constructor(parts: ReplayParts, engine: Engine, epoch: number) {
    this.#parts = parts;
    this.#engine = engine;
    this.#epoch = epoch;
  }

  async run(): Promise<void> {
    const { source, range } = this.#parts;
    const ended = new Promise<void>((resolve, reject) => {
      this.#end = resolve;
      this.#fail = reject;
    });
    ended.catch(() => {}); // also observed below
    const stream = await source.open({
      readCheckpoint: async () => ({ position: range.from, epoch: 0, earlier: [] }),
      recordBirth: async () => {},
      handlers: {
        onBatch: (batch) => this.#onBatch(batch),
        onIdle: (walEnd, serverMs) => this.#onIdle(walEnd, serverMs),
      },
    });
    this.#stream = stream;
    try {
      stream.resume();
      await Promise.race([stream.closed, ended]);
      await this.#writing;
      await Promise.race([ended, Promise.resolve()]); // a write that failed as the last thing
      this.#arrive();
      await this.#write(this.#engine.collect());
    } finally {
      await stream.close();
    }
  }

  #onBatch(batch: Batch): void {
    const engine = this.#engine;
    for (const slice of batch.transactions) {
      if (this.#hasEnded || this.#isBehind(slice)) break;
      if (this.#isBefore(slice)) continue;
      this.firstCommitMs ??= slice.commitMs;
      engine.apply(batch, slice);
    }
    this.#limit();
  }

  /** Whether the range has not begun, by time; also leaves out the rest of such a transaction. */
  #isBefore(slice: TransactionSlice): boolean {
    const { fromMs } = this.#parts.range;
    if (slice.firstOrdinal === 0 && !this.#engine.isInTransaction) {
      const hasBegun = fromMs === null || this.firstCommitMs !== null;
      this.#isTooEarly = !hasBegun && slice.commitMs < fromMs;
    }
    return this.#isTooEarly;
  }

  /** Whether the range is over; looked at where a transaction begins. */
  #isBehind(slice: TransactionSlice): boolean {
    if (this.#engine.isInTransaction) return false;
    const { to, toMs } = this.#parts.range;
    const isOver =
      (to !== null && slice.commitLsn >= to) || (toMs !== null && slice.commitMs >= toMs);
    if (isOver) this.#finish();
    return isOver;
  }

  #onIdle(walEnd: Lsn, serverMs: number): void {
    const { range, hasRecordedIdles } = this.#parts;
    const { to, toMs } = range;
    if (this.#hasEnded) return;
    if (to === null || walEnd <= to) this.#engine.advance(walEnd);
    const isIn = (to === null || walEnd <= to) && (toMs === null || serverMs < toMs);
    if (hasRecordedIdles && isIn) this.#engine.onIdle(serverMs);
    if (to !== null && walEnd >= to) this.#finish();
  }

  /** Nothing more comes: everything up to the end of the range is in the results. */
  #arrive(): void {
    const { to, toMs } = this.#parts.range;
    const engine = this.#engine;
    if (to !== null && toMs === null && !engine.isInTransaction) engine.advance(to);
  }

  #finish(): void {
    this.#hasEnded = true;
    this.#stream?.pause();
    this.#end();
  }

  #limit(): void {
    const { maxStateBytes, writeEveryBytes } = this.#parts;
    const engine = this.#engine;
    if (engine.stateBytes > maxStateBytes) {
      throw new TidemarkError(
        "STATE_LIMIT",
        `The replay holds about ${Math.round(engine.stateBytes / 2 ** 20)} MiB of state, more ` +
          "than maxStateBytes allows. Replay a shorter range, or raise maxStateBytes.",
      );
    }
    const bytes = this.#stream?.bytesReceived ?? 0;
    if (this.#hasEnded || this.#writing !== null) return;
    if (bytes - this.#bytesWritten < writeEveryBytes) return;
    this.#bytesWritten = bytes;
    const isWhole = !engine.isInTransaction;
    const staged = isWhole ? [] : engine.collectHeld();
    if (!isWhole && staged.length === 0) return;
    this.#stream?.pause();
    const work = isWhole ? this.#write(engine.collect()) : this.#parts.sink.stage(staged);
    this.#writing = work.then(
      () => {
        this.#writing = null;
        if (!this.#hasEnded) this.#stream?.resume();
      },
      (error: unknown) => this.#fail(error),
    );
  }

  async #write(outputs: readonly OutputBatch[]): Promise<void> {
    const engine = this.#engine;
    assert(!engine.isInTransaction, "a replay writes between transactions");
    const { systemId, timeline } = this.#parts.range.from;
    await this.#parts.sink.write({
      epoch: this.#epoch,
      position: { systemId, timeline, lsn: engine.cursor },
      watermarkMs: engine.watermarkMs,
      idleMs: null,
      outputs,
      mustBeDurable: false,
    });
  }
}
