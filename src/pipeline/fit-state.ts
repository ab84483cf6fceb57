import { TidemarkError } from "../core/errors.js";
import { formatLsn, type Lsn } from "../core/lsn.js";
import type { OperatorState, StateBlock } from "../core/operator.js";

/** A step that remembers. */
export interface RememberingStep {
  readonly id: string;
  readonly state: OperatorState;
}

/** Saved state that no step of the pipeline can take over. */
export interface UnfitState {
  readonly step: string;
  /** In which facts it differs, in words. */
  readonly differences: readonly string[];
  readonly blocks: readonly StateBlock[];
}

/** The blocks of a checkpoint, sorted by whether the pipeline's steps can take them over. */
export interface StateFit {
  /** By step. */
  readonly fitting: ReadonlyMap<string, readonly StateBlock[]>;
  readonly unfit: readonly UnfitState[];
}

/** What a pipeline made of a checkpoint that was taken before it was changed. */
export interface RestoredState {
  readonly dropped: readonly UnfitState[];
  /**
   * Outputs that begin without state. A view of them counts what comes after the checkpoint, an
   * append table gets what comes after the position of the results.
   */
  readonly fresh: readonly string[];
}

/** Compares what was saved with what the steps need. Throws CHECKPOINT_CORRUPT. */
export function fitState(
  steps: readonly RememberingStep[],
  blocks: readonly StateBlock[],
): StateFit {
  const fitting = new Map<string, readonly StateBlock[]>();
  const unfit: UnfitState[] = [];
  const saved = blocks.filter(({ bytes }) => bytes.length > 0);
  for (const step of new Set(saved.map(({ operator }) => operator))) {
    const own = saved.filter(({ operator }) => operator === step);
    const state = steps.find(({ id }) => id === step)?.state;
    const differences =
      state === undefined
        ? ["the pipeline has no such step"]
        : [...new Set(own.flatMap((block) => state.differences(block)))];
    if (differences.length === 0) fitting.set(step, own);
    else unfit.push({ step, differences, blocks: own });
  }
  return { fitting, unfit };
}

/** What to say of state that cannot be taken over, when it may not be dropped. */
export function stateMismatch(unfit: readonly UnfitState[], position: Lsn): TidemarkError {
  const differences = unfit.map(({ step, differences: its }) => `${step} (${its.join("; ")})`);
  return new TidemarkError(
    "STATE_MISMATCH",
    `The checkpoint holds state that the changed pipeline cannot go on with: ` +
      `${differences.join(", ")}. Undo the change; or run once with --rebuild: then state and ` +
      "results are made anew from the tables as they stand; or with --allow-drop-state: then " +
      "that state is dropped, the views of those steps are emptied and count only what comes " +
      `after ${formatLsn(position)}, and all other steps go on.`,
    { detail: { steps: unfit.map(({ step }) => step).join(", ") } },
  );
}
