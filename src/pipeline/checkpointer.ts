import { assert } from "../core/assert.js";
import type { CheckpointStore } from "../core/checkpoint-store.js";
import type { Clock } from "../core/clock.js";
import type { Failpoint } from "../core/failpoint.js";
import { type Lsn, maxLsn, ZERO_LSN } from "../core/lsn.js";
import type { StateBlock, StateSnapshot } from "../core/operator.js";
import type { Position } from "../core/position.js";

/** Longest time in one go that writing out state keeps rows waiting. */
const STEP_MS = 2;

/** A checkpoint that was begun. */
export interface BegunCheckpoint {
  /** The commit it stands on. */
  readonly position: Position;
  /** The state there. */
  readonly snapshot: StateSnapshot;
  /** Resolves once the results up to the position are durable; nothing is saved before. */
  readonly written: Promise<void>;
  /** No result may be written until it is saved and, where the store can soon tell, settled. */
  readonly holdsResults: boolean;
}

/** What a checkpointer is made of. */
export interface CheckpointerParts {
  readonly store: CheckpointStore;
  readonly clock: Clock;
  readonly failpoint: Failpoint;
  readonly epoch: number;
  /** Where the loaded checkpoint stands. */
  readonly loaded: Lsn;
  /** Another checkpoint may begin. */
  readonly onSaved: () => void;
  /** `acknowledgeable` moved. */
  readonly onSettled: () => void;
  readonly onFailed: (error: unknown) => void;
}

/**
 * Takes checkpoints beside the flow, one at a time: writes the snapshot out in steps of a few
 * milliseconds between reads, waits for its results, saves it. Rows and results go on meanwhile.
 * A saved checkpoint that its store may still lose is settled later; only then may it be told to
 * the slot. How many of those there are depends on the store alone, so the next one does not wait.
 */
export class Checkpointer {
  readonly #parts: CheckpointerParts;
  #saved: Lsn;
  #acknowledgeable: Lsn = ZERO_LSN;
  #begun: BegunCheckpoint | null = null;
  #ended: Promise<void> = Promise.resolve();
  #settled: Promise<void>;
  #isClosed = false;

  constructor(parts: CheckpointerParts) {
    this.#parts = parts;
    this.#saved = parts.loaded;
    this.#settled = this.#settle(parts.loaded);
  }

  /** The newest checkpoint. */
  get saved(): Lsn {
    return this.#saved;
  }

  /** What the slot may be told: no later than the newest checkpoint; zero before the first. */
  get acknowledgeable(): Lsn {
    return this.#acknowledgeable;
  }

  get isBusy(): boolean {
    return this.#begun !== null;
  }

  /** Whether results have to wait for the checkpoint that is under way. */
  get holdsResults(): boolean {
    return this.#begun?.holdsResults ?? false;
  }

  /** Fulfilled when no checkpoint is under way any more, saved or not. */
  get ended(): Promise<void> {
    return this.#ended;
  }

  /** Fulfilled when the newest checkpoint may be told to the slot, or cannot be kept. */
  get settled(): Promise<void> {
    return this.#settled;
  }

  begin(begun: BegunCheckpoint): void {
    assert(this.#begun === null, "one checkpoint at a time");
    assert(begun.position.lsn >= this.#saved, "a checkpoint never moves back");
    this.#begun = begun;
    this.#ended = this.#take(begun).catch(this.#parts.onFailed);
  }

  /** Gives up a checkpoint whose state is not written out yet; one that is being saved goes on. */
  close(): void {
    this.#isClosed = true;
  }

  async #take({ position, snapshot, written, holdsResults }: BegunCheckpoint): Promise<void> {
    const { store, epoch, failpoint, onSaved } = this.#parts;
    const [blocks] = await Promise.all([this.#writeOut(snapshot), written]);
    if (blocks === null) return;
    await store.save({ epoch, position, blocks });
    await failpoint("checkpoint-saved");
    // What the results no longer tell must not be lost with a checkpoint.
    if (holdsResults && store.settlesLate !== true) await store.settled(position.lsn);
    this.#saved = position.lsn;
    this.#begun = null;
    this.#settled = this.#settle(position.lsn);
    onSaved();
  }

  /** Null when closed before the end. */
  #writeOut(snapshot: StateSnapshot): Promise<readonly StateBlock[] | null> {
    const { clock } = this.#parts;
    return new Promise((resolve, reject) => {
      const step = (): void => {
        if (this.#isClosed) {
          resolve(null);
          return;
        }
        const endMs = clock.monotonic() + STEP_MS;
        try {
          while (snapshot.advance()) {
            if (clock.monotonic() < endMs) continue;
            clock.soon(step);
            return;
          }
        } catch (error) {
          reject(error);
          return;
        }
        resolve(snapshot.blocks);
      };
      clock.soon(step);
    });
  }

  async #settle(saved: Lsn): Promise<void> {
    const { store, onSettled, onFailed } = this.#parts;
    try {
      await store.settled(saved);
      assert(saved <= this.#saved, "the ack never passes the saved checkpoint");
      this.#acknowledgeable = maxLsn(this.#acknowledgeable, saved);
      if (!this.#isClosed) onSettled();
    } catch (error) {
      onFailed(error);
    }
  }
}
