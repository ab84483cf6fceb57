import type { Guard } from "./guard.js";

/**
 * `take`: the event joins the match. `ignore`: it is passed over. `proceed`: no event is used, the
 * same one is offered to the target. `stop`: the run is dropped.
 */
export type EdgeKind = "take" | "ignore" | "proceed" | "stop";

export interface Edge {
  readonly kind: EdgeKind;
  readonly guard: Guard;
  /** State; of no meaning for `stop`. */
  readonly target: number;
  /** Step the event is taken for, or whose condition stops the run. */
  readonly step: number;
  /** A `take` is closed when this long has passed since the run's last event; null for never. */
  readonly gapMs: number | null;
}

/** Where a run may wait. */
export interface AutomatonState {
  /** `pending`: complete when its time is over. `final`: complete. */
  readonly kind: "normal" | "pending" | "final";
  /** Step that it waits for; -1 for `final`. */
  readonly step: number;
  /** A run that waits here is over when this long has passed since its last event. */
  readonly gapMs: number | null;
  readonly edges: readonly Edge[];
  /** Whether a run that times out here is complete. */
  readonly isCompleteAtTimeout: boolean;
}

/**
 * A compiled pattern. A run stands in a state; an event moves it along its edges, and where several
 * apply the run forks. No run is kept in the start state: every event is offered to it.
 */
export interface Automaton {
  readonly states: readonly AutomatonState[];
  readonly start: number;
  /** Names of the steps, not-steps included, in the pattern's order. */
  readonly steps: readonly string[];
  /** How many conditions the guards name. */
  readonly conditionCount: number;
  readonly withinMs: number | null;
}
