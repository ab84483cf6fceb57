import type { ErrorCode } from "./error-codes.js";
import type { RunStateName } from "./run-state.js";

/** A state to be made known. */
export interface StateNotice {
  readonly state: RunStateName;
  /** The run that is in it; null when the run was refused before it had the slot. */
  readonly epoch: number | null;
  readonly code: ErrorCode | null;
  /** The error's sentence. */
  readonly message: string | null;
}

/** A notice as it was found. */
export interface PostedNotice extends StateNotice {
  /** Milliseconds since the Unix epoch, by the clock of where it is kept. */
  readonly atMs: number;
}

/** The newest notices of a pipeline. */
export interface PostedNotices {
  /** Of the run with the greatest epoch. */
  readonly run: PostedNotice | null;
  /** Of a start that was refused after that; a run that starts takes it away. */
  readonly refusal: PostedNotice | null;
}

/**
 * Where a pipeline's state is written for others to see, also when no process is left. It decides
 * nothing: what may run and from where follows from slot, checkpoint and progress alone.
 */
export interface StateBoard {
  /** A notice of an older run than the newest is dropped. */
  post(notice: StateNotice): Promise<void>;
}
