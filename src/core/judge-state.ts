import type { ErrorCode } from "./error-codes.js";
import { RUN_STATES, type RunStateName } from "./run-state.js";
import type { PostedNotice, PostedNotices } from "./state-board.js";

/** A pipeline's state as an onlooker has to take it. */
export interface JudgedState {
  readonly state: RunStateName;
  readonly sinceMs: number | null;
  readonly code: ErrorCode | null;
  readonly message: string | null;
  readonly happened: string;
  readonly wayOut: string;
}

/**
 * Tells the state from what was posted and from whether somebody reads the slot: a process that
 * was killed has posted nothing. Null when the pipeline has never run.
 */
export function judgeState(posted: PostedNotices, isSlotRead: boolean): JudgedState | null {
  const { run, refusal } = posted;
  if (refusal !== null && !isSlotRead) return judged(refusal, refusal.state);
  if (run === null) return null;
  if (!RUN_STATES[run.state].isLive) {
    // The next run has the slot and has not said so yet.
    return isSlotRead
      ? { ...judged(run, "STARTING"), code: null, message: null }
      : judged(run, run.state);
  }
  const isAtWork = isSlotRead || run.state === "RETRYING" || run.state === "STARTING";
  return judged(run, isAtWork ? run.state : "STOPPED");
}

function judged(notice: PostedNotice, state: RunStateName): JudgedState {
  const { happened, wayOut } = RUN_STATES[state];
  const { atMs, code, message } = notice;
  return { state, sinceMs: atMs, code, message, happened, wayOut };
}
