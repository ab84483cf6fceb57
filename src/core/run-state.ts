import { type ErrorCode, EXIT } from "./error-codes.js";

/** What is known about a state of a pipeline before any pipeline is in it. */
export interface RunStateFacts {
  /** Whether a process is at work in this state. */
  readonly isLive: boolean;
  /** The exit code of the process that ends in this state; null for one that does not end it. */
  readonly exitCode: number | null;
  /** What has happened, in a paragraph of docs/states.md. */
  readonly happened: string;
  /** What to do, with the command. */
  readonly wayOut: string;
}

/** A state that a pipeline can be in. */
export type RunStateName =
  | "STARTING"
  | "COPYING"
  | "REPLAYING"
  | "RUNNING"
  | "RETRYING"
  | "DRAINING"
  | "STOPPED"
  | "FAILED"
  | "NEEDS_RESYNC"
  | "DIVERGED"
  | "FENCED"
  | "POISON_BLOCKED"
  | "OVER_BUDGET";

function live(happened: string, wayOut: string): RunStateFacts {
  return { isLive: true, exitCode: null, happened, wayOut };
}

function ended(exitCode: number | null, happened: string, wayOut: string): RunStateFacts {
  return { isLive: false, exitCode, happened, wayOut };
}

const NOTHING = "Nothing has to be done.";

/** Every state of a pipeline. docs/states.md is generated from this table. */
export const RUN_STATES: Readonly<Record<RunStateName, RunStateFacts>> = {
  STARTING: live("The process connects, checks slot and checkpoint, and loads state.", NOTHING),
  COPYING: live(
    "The slot was just made, and the rows that the tables held at that moment are read. Results and checkpoint appear when all of them are; the slot holds WAL on the source until then. A process that ends before begins again.",
    NOTHING,
  ),
  REPLAYING: live(
    "Transactions after the checkpoint are read again to rebuild state; their results are there already and are not written twice.",
    NOTHING,
  ),
  RUNNING: live("Changes are read and results written.", NOTHING),
  RETRYING: live(
    "A failure that may pass (a server away, a connection cut) ended the connection; the process tries again with growing pauses. The slot stays where it is and holds WAL on the source.",
    "Mend what the error names, if it does not pass by itself: `tidemark status` shows it.",
  ),
  DRAINING: live(
    "The process was asked to stop: it finishes the transaction being received, saves and acknowledges.",
    "Wait, at most TIDEMARK_STOP_DEADLINE.",
  ),
  STOPPED: ended(
    EXIT.ok,
    "The process ended as asked, or without a word (killed, machine gone). Everything it has acknowledged is saved.",
    "`tidemark run` goes on from the checkpoint.",
  ),
  FAILED: ended(
    null,
    "The process ended with an error that trying again does not mend: configuration, privileges, a changed table. Its exit code is the error's. Nothing is lost while the slot exists.",
    "Mend what the error names (docs/errors.md), then `tidemark run`.",
  ),
  NEEDS_RESYNC: ended(
    EXIT.needsResync,
    "The stream cannot go on from the checkpoint: the slot is gone, was invalidated or moved by someone else, or checkpoint or state cannot be used. Results are as they were at their last position.",
    "`tidemark run --rebuild` makes results anew from the tables where they can be; `tidemark resync --yes` starts anew with the changes from now on, and says first what is lost. If the slot was only renamed or restored, correct its name, or `tidemark checkpoint rebind`.",
  ),
  DIVERGED: ended(
    EXIT.diverged,
    "Checkpoint or results belong to another history than the server at this address: another cluster, a restored backup, a standby promoted before it had everything.",
    "Check the URLs. If the server is the verified successor and has everything up to the checkpoint: `tidemark checkpoint rebind --yes`. Otherwise `tidemark run --rebuild` or `tidemark resync --yes`.",
  ),
  FENCED: ended(
    EXIT.fenced,
    "Another instance has claimed the pipeline; this one wrote nothing after that.",
    "Stop this instance, or find out why two run. `tidemark takeover --yes` ends the one that holds the slot.",
  ),
  POISON_BLOCKED: ended(
    EXIT.data,
    "A row cannot be processed: a function of the pipeline threw, or a cell is not readable. Nothing from its transaction on was acknowledged.",
    "Correct the function and `tidemark run`, or let such rows go to a table with the option onPoison of `from`.",
  ),
  OVER_BUDGET: ended(
    EXIT.budget,
    "The slot keeps more WAL on the source than walBudget allows, because results or checkpoints could not be written for too long, and there is no detour or no room in it. Nothing is lost, and the slot goes on keeping WAL.",
    "Mend what keeps results from being written, then `tidemark run`, with a detour if it takes long. To free the source's disk at once and lose what was not read: `tidemark resync --yes`.",
  ),
};

const BY_ERROR: Readonly<Partial<Record<ErrorCode, RunStateName>>> = {
  SLOT_WITHOUT_CHECKPOINT: "NEEDS_RESYNC",
  SLOT_MISSING: "NEEDS_RESYNC",
  SLOT_LOST: "NEEDS_RESYNC",
  SLOT_AHEAD: "NEEDS_RESYNC",
  CHECKPOINT_CORRUPT: "NEEDS_RESYNC",
  STATE_MISMATCH: "NEEDS_RESYNC",
  OTHER_SYSTEM: "DIVERGED",
  DIVERGED: "DIVERGED",
  FENCED: "FENCED",
  BAD_VALUE: "POISON_BLOCKED",
  USER_FUNCTION: "POISON_BLOCKED",
  POISON_LIMIT: "POISON_BLOCKED",
  WAL_BUDGET: "OVER_BUDGET",
};

/** The state that a process ends in with this error; null is an error of ours without a code. */
export function stateAfter(code: ErrorCode | null): RunStateName {
  return (code === null ? undefined : BY_ERROR[code]) ?? "FAILED";
}
