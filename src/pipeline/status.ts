import type { Lsn } from "../core/lsn.js";
import type { RunStateName } from "../core/run-state.js";

/** A look at a running session. Times are milliseconds since the Unix epoch. */
export interface RunStatus {
  /** RUNNING, COPYING, REPLAYING or DRAINING. */
  readonly state: RunStateName;
  readonly epoch: number;
  /** Processed up to here. */
  readonly cursor: Lsn;
  /** Visible in the results up to here. */
  readonly applied: Lsn;
  /** The newest checkpoint. */
  readonly checkpoint: Lsn;
  /** Durable up to here; what the slot was told. */
  readonly acknowledged: Lsn;
  readonly transactions: number;
  readonly changes: number;
  readonly duplicates: number;
  readonly bytesReceived: number;
  readonly stateBytes: number;
  readonly watermarkMs: number | null;
  /** Commit time of the last transaction processed. */
  readonly lastCommitMs: number | null;
  readonly isReplaying: boolean;
  /** Rows put aside since this connection began, those of a replay included. */
  readonly deadLetters: number;
  /** Keys whose rows are held back. */
  readonly blockedKeys: number;
}
