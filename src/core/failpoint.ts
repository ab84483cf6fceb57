/**
 * Places in the protocol where a test can put a fault: kill the process, fail, or hold it up. What
 * each name means stands beside its one call.
 */
export const FAILPOINTS = [
  "receive",
  "mid-transaction",
  "results-before-commit",
  "results-committing",
  "results-committed",
  "checkpoint-staged",
  "checkpoint-switched",
  "checkpoint-saved",
  "collecting",
  "acknowledged",
  "slot-created",
  "copying",
  "state-fitted",
  "draining",
] as const;

export type FailpointName = (typeof FAILPOINTS)[number];

/**
 * Called at a place of that name. A caller that is synchronous ignores the result, so that a delay
 * has no effect there; a throw is a failure of the caller.
 */
export type Failpoint = (name: FailpointName) => undefined | Promise<void>;

/** No faults: what runs in production. */
export const NO_FAILPOINT: Failpoint = () => undefined;
