import type { CheckpointStore } from "../core/checkpoint-store.js";
import type { Clock } from "../core/clock.js";
import { TidemarkError } from "../core/errors.js";
import type { Failpoint } from "../core/failpoint.js";
import type { Lsn } from "../core/lsn.js";
import { retryDelayMs } from "../core/retry-delay.js";
import type { RunStateName } from "../core/run-state.js";
import type { Sink } from "../core/sink.js";
import type { ChangeSource } from "../core/source.js";
import type { StateBoard } from "../core/state-board.js";
import type { RestoredState } from "./fit-state.js";
import type { Plan } from "./plan.js";
import { Session } from "./session.js";
import type { RunSettings } from "./settings.js";
import { StateTeller } from "./state-teller.js";
import type { RunStatus } from "./status.js";

/** What a runtime is made of; the parts are handed in so that it names none of them. */
export interface RuntimeParts {
  readonly plan: Plan;
  readonly settings: RunSettings;
  readonly source: ChangeSource;
  readonly openSink: () => Sink;
  readonly openStore: () => CheckpointStore;
  /** Where the state is made known; nowhere when absent. */
  readonly board?: StateBoard;
  readonly clock: Clock;
  /** 0 to 1, for the jitter of retries. */
  readonly random: () => number;
  /** Told about each failure that is tried again. */
  readonly onRetry: (error: TidemarkError, delayMs: number) => void;
  /** Told why a newer checkpoint was not loaded, when an older one could stand in. */
  readonly onPassedOver?: (reason: TidemarkError) => void;
  /** Whether saved state that no step can take over is dropped instead of refused. */
  readonly mayDropState?: boolean;
  /** Whether state and results are made anew from a snapshot, whatever there is. */
  readonly rebuilds?: boolean;
  /** Told when outputs begin without state, and what was dropped. */
  readonly onRestored?: (restored: RestoredState, at: RestoredAt) => void;
  /** Told when a session begins to copy the tables. */
  readonly onCopying?: (status: RunStatus) => void;
  /** Told when a session has loaded its checkpoint and reads. */
  readonly onRunning?: (status: RunStatus) => void;
  /** Where tests put faults; none when absent. */
  readonly failpoint?: Failpoint;
}

/** Where a session begins. */
export interface RestoredAt {
  readonly checkpoint: Lsn;
  readonly results: Lsn;
}

/**
 * Runs a pipeline until it is stopped or fails for good. A session goes from loading the checkpoint
 * to a failure or the stop; after a failure that may pass, a new session starts from the checkpoint
 * exactly as a new process would, so that there is one way to recover and it is always used.
 */
export class Runtime {
  readonly #parts: RuntimeParts;
  readonly #teller: StateTeller;
  #session: Session | null = null;
  #isStopping = false;
  #wake: () => void = () => {};

  constructor(parts: RuntimeParts) {
    this.#teller = new StateTeller(parts.board ?? null, parts.clock);
    this.#parts = {
      ...parts,
      onCopying: (status) => {
        this.#teller.copying(status.epoch);
        parts.onCopying?.(status);
      },
      onRunning: (status) => {
        this.#teller.running(status.epoch);
        parts.onRunning?.(status);
      },
    };
  }

  /** The state of the run; whether it replays is told by its session. */
  get state(): RunStateName {
    const isRunning = this.#teller.state === "RUNNING";
    return isRunning ? (this.status?.state ?? "RUNNING") : this.#teller.state;
  }

  /** What the current session has done; null before the first one reads. */
  get status(): RunStatus | null {
    return this.#session?.status ?? null;
  }

  /**
   * Resolves after `stop`. Rejects with the error that ended it: at once when the very first
   * attempt fails, unless the source has something to keep meanwhile; later only for errors that
   * trying again does not mend.
   */
  async run(): Promise<void> {
    try {
      await this.#runWithUpkeep();
    } catch (error) {
      await this.#teller.ended(error);
      throw error;
    }
    await this.#teller.ended();
  }

  /** What the source does beside the sessions goes on for as long as there are any. */
  async #runWithUpkeep(): Promise<void> {
    const { upkeep } = this.#parts.source;
    if (upkeep === undefined) return this.#runSessions();
    const keeping = upkeep.run();
    keeping.catch(() => {}); // also observed below
    const sessions = this.#runSessions().finally(() => upkeep.stop());
    sessions.catch(() => {}); // also observed below
    try {
      await Promise.race([sessions, keeping]);
    } catch (error) {
      // Whichever failed, the other one is ended.
      await this.#endSessions();
      await Promise.allSettled([sessions, keeping]);
      throw error;
    }
    await Promise.all([sessions, keeping]);
  }

  async #runSessions(): Promise<void> {
    const { settings, clock, random, onRetry } = this.#parts;
    let hasRun = false;
    for (let attempt = 0; !this.#isStopping; attempt++) {
      // Once it has begun anew, what there is is its own.
      const rebuilds = this.#parts.rebuilds === true && !hasRun;
      const ownEpoch = this.#session?.ownEpoch ?? 0;
      const session: Session = new Session({ ...this.#parts, rebuilds }, ownEpoch);
      this.#session = session;
      try {
        await session.run();
        hasRun ||= session.hasRun;
        attempt = -1; // the source goes on elsewhere; that was no failure
      } catch (error) {
        const isBenign = error instanceof TidemarkError && error.retry === "backoff";
        if (this.#isStopping && isBenign) return;
        hasRun ||= session.hasRun;
        if (session.hasProgressed) attempt = 0;
        const mayPass = error instanceof TidemarkError && error.retry === "backoff";
        const isTriedAgain = hasRun || this.#parts.source.upkeep?.isHolding === true;
        if (!mayPass || !isTriedAgain) throw error;
        const limits = { minMs: settings.retryMinMs, maxMs: settings.retryMaxMs };
        const delayMs = retryDelayMs(attempt, limits, random);
        this.#teller.retrying(error);
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

  /** Finishes the transaction being received, saves, acknowledges and ends `run`. */
  async stop(): Promise<void> {
    this.#teller.draining();
    await this.#endSessions();
  }

  async #endSessions(): Promise<void> {
    this.#isStopping = true;
    this.#wake();
    await this.#session?.stop();
    await this.#parts.source.upkeep?.stop(); // an opening that waits for it is given up
  }
}
