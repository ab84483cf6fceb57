import type { Clock } from "../core/clock.js";
import { TidemarkError } from "../core/errors.js";
import { type RunStateName, stateAfter } from "../core/run-state.js";
import type { StateBoard, StateNotice } from "../core/state-board.js";

/** How long the end of a process waits for its last notice to be posted. */
const LAST_NOTICE_MS = 2_000;

/** Refused because another instance runs: that one's state is the pipeline's. */
const OF_ANOTHER = new Set(["SLOT_ACTIVE", "FENCED"]);

/** Knows the state of a run, and makes it known where the results live. */
export class StateTeller {
  readonly #board: StateBoard | null;
  readonly #clock: Clock;
  #state: RunStateName = "STARTING";
  #epoch: number | null = null;
  #posting: Promise<void> = Promise.resolve();

  constructor(board: StateBoard | null, clock: Clock) {
    this.#board = board;
    this.#clock = clock;
  }

  get state(): RunStateName {
    return this.#state;
  }

  /** A session has claimed `epoch` and copies the tables. */
  copying(epoch: number): void {
    this.#epoch = epoch;
    this.#tell("COPYING", null);
  }

  /** A session has claimed `epoch` and reads. */
  running(epoch: number): void {
    this.#epoch = epoch;
    this.#tell("RUNNING", null);
  }

  retrying(error: TidemarkError): void {
    this.#tell("RETRYING", error);
  }

  draining(): void {
    this.#tell("DRAINING", null);
  }

  /** The run is over; resolves when that is posted, or after a moment when it cannot be. */
  async ended(error: unknown = null): Promise<void> {
    const known = error instanceof TidemarkError ? error : null;
    this.#tell(error === null ? "STOPPED" : stateAfter(known?.code ?? null), known);
    await new Promise<void>((resolve) => {
      const cancel = this.#clock.after(LAST_NOTICE_MS, resolve);
      void this.#posting.then(() => {
        cancel();
        resolve();
      });
    });
  }

  #tell(state: RunStateName, error: TidemarkError | null): void {
    this.#state = state;
    const board = this.#board;
    if (board === null) return;
    const isRefusal = this.#epoch === null;
    if (isRefusal && (error === null || OF_ANOTHER.has(error.code))) return;
    const { code = null, message = null } = error ?? {};
    const notice: StateNotice = { state, epoch: this.#epoch, code, message };
    this.#posting = this.#posting
      .then(() => board.post(notice))
      // Nothing depends on the board, and the log says the same; its database may be what is down.
      .catch(() => {});
  }
}
