import type { Batch } from "../../core/batch.js";
import type { CheckpointHeader } from "../../core/checkpoint-store.js";
import type { Clock } from "../../core/clock.js";
import { TidemarkError } from "../../core/errors.js";
import { type Lsn, ZERO_LSN } from "../../core/lsn.js";
import type { Position } from "../../core/position.js";
import { retryDelayMs } from "../../core/retry-delay.js";
import type { ChangeSource, ChangeStream } from "../../core/source.js";

/** What a {@link Recorder} is made of. */
export interface RecorderParts {
  /** A source that records what it reads; what it is told is durable is durable there first. */
  readonly source: ChangeSource;
  /** Where the recording ends, as if that were a checkpoint. */
  readonly readEnd: () => Promise<CheckpointHeader | null>;
  readonly clock: Clock;
  /** 0 to 1, for the jitter of retries. */
  readonly random: () => number;
  /** How long what was received may wait to be made durable, in milliseconds. */
  readonly syncIntervalMs: number;
  /** How often an idle position is noted, in milliseconds. */
  readonly idleIntervalMs: number;
  readonly retry: { readonly minMs: number; readonly maxMs: number };
  readonly onRetry: (error: TidemarkError, delayMs: number) => void;
  /** Told when a connection has begun to record at a position. */
  readonly onRecording?: (from: Position) => void;
  /** Whether the very first failure is tried again, too, if it may pass. Default: false. */
  readonly retriesFirst?: boolean;
  /** Whether nothing more may be recorded for now: reading waits. Default: never. */
  readonly isFull?: () => boolean;
  /** Up to where results are visible, for the server's views. Default: what was received. */
  readonly appliedLsn?: () => Lsn;
}

/**
 * Records a slot without a pipeline: reads it, and tells the server what is on disk. After a
 * failure that may pass it goes on where the recording ends.
 */
export class Recorder {
  readonly #parts: RecorderParts;
  #stream: ChangeStream | null = null;
  #received: Lsn = ZERO_LSN;
  #lastIdleMs = Number.NEGATIVE_INFINITY;
  #isInTransaction = false;
  #isPaused = false;
  #isStopping = false;
  #wake: () => void = () => {};
  transactions = 0;

  constructor(parts: RecorderParts) {
    this.#parts = parts;
  }

  /** Everything up to here was received. */
  get receivedLsn(): Lsn {
    return this.#received;
  }

  /** Whether reading waits because nothing more may be recorded. */
  get isPaused(): boolean {
    return this.#isPaused;
  }

  /**
   * Resolves after `stop`; rejects with what ended it. The first attempt is repeated only if the
   * parts say so.
   */
  async run(): Promise<void> {
    const { clock, random, retry, onRetry, retriesFirst } = this.#parts;
    let hasRun = retriesFirst ?? false;
    for (let attempt = 0; !this.#isStopping; attempt++) {
      try {
        await this.#record(() => {
          hasRun = true;
          attempt = 0;
        });
      } catch (error) {
        const mayPass = error instanceof TidemarkError && error.retry === "backoff";
        if (this.#isStopping && mayPass) return;
        if (!mayPass || !hasRun) throw error;
        const delayMs = retryDelayMs(attempt, retry, random);
        onRetry(error, delayMs);
        await new Promise<void>((resolve) => {
          const cancel = clock.after(delayMs, resolve);
          this.#wake = () => {
            cancel();
            resolve();
          };
        });
      }
    }
  }

  /** Makes durable what is whole, acknowledges it and ends `run`. */
  async stop(): Promise<void> {
    this.#isStopping = true;
    this.#wake();
    this.#report();
    await this.#stream?.close();
  }

  async #record(onBegun: () => void): Promise<void> {
    const { source, readEnd, clock, syncIntervalMs } = this.#parts;
    const stream = await source.open({
      readCheckpoint: readEnd,
      recordBirth: async () => {}, // a slot without a recording is one to begin with
      handlers: {
        onBatch: (batch) => this.#onBatch(batch),
        onIdle: (walEnd, serverMs, isUrgent) => this.#onIdle(walEnd, serverMs, isUrgent),
      },
    });
    this.#stream = stream;
    this.#received = stream.position.lsn;
    this.#isInTransaction = false;
    this.#isPaused = false;
    let cancel = () => {};
    const tick = (): void => {
      this.#report();
      this.#limit();
      cancel = clock.after(syncIntervalMs, tick);
    };
    try {
      if (this.#isStopping) return;
      stream.resume();
      onBegun();
      this.#parts.onRecording?.(stream.position);
      tick();
      await stream.closed;
    } finally {
      cancel();
      await stream.close();
    }
  }

  #onBatch(batch: Batch): void {
    for (const { commitEndLsn } of batch.transactions) {
      this.#isInTransaction = commitEndLsn === null;
      if (commitEndLsn === null) continue;
      this.#received = commitEndLsn;
      this.transactions++;
    }
    if (!this.#isPaused) this.#limit();
  }

  /** The connection is kept alive meanwhile; the server keeps what is not read. */
  #limit(): void {
    const isFull = this.#parts.isFull?.() ?? false;
    if (isFull === this.#isPaused) return;
    this.#isPaused = isFull;
    if (isFull) this.#stream?.pause();
    else this.#stream?.resume();
  }

  #onIdle(walEnd: Lsn, serverMs: number, isUrgent: boolean): void {
    const nowMs = this.#parts.clock.monotonic();
    const isDue = nowMs - this.#lastIdleMs >= this.#parts.idleIntervalMs;
    if (this.#isInTransaction || walEnd <= this.#received || (!isDue && !isUrgent)) return;
    this.#lastIdleMs = nowMs;
    this.#received = walEnd;
    this.#stream?.advanced?.(walEnd, serverMs);
    if (isUrgent) this.#report();
  }

  #report(): void {
    if (this.#received === ZERO_LSN) return;
    this.#stream?.report(this.#received, this.#parts.appliedLsn?.() ?? this.#received);
  }
}
