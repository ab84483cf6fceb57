import type { LoadBounds } from "../core/checkpoint-store.js";
import { TidemarkError } from "../core/errors.js";
import { formatLsn, type Lsn, MAX_LSN, ZERO_LSN } from "../core/lsn.js";
import type { Position } from "../core/position.js";

const ANY: LoadBounds = { notBefore: ZERO_LSN, notAfter: MAX_LSN };

/** A generation as it was chosen, with what `read` made of it. */
export interface ChosenGeneration<G, T> {
  readonly generation: G;
  readonly loaded: T;
  /** Why newer ones were not taken. */
  readonly passedOver: readonly TidemarkError[];
}

/**
 * Reads the newest of `generations` (newest first) that lies within the bounds and is whole.
 *
 * A damaged one is replaced by the one before only where that loses nothing: the stream must begin
 * no later than there. Otherwise its CHECKPOINT_CORRUPT is thrown on, because a run from older
 * state would miss the changes that the slot has been told are safe.
 */
export async function chooseGeneration<G extends { readonly position: Position }, T>(
  generations: readonly G[],
  bounds: LoadBounds | undefined,
  read: (generation: G) => Promise<T>,
): Promise<ChosenGeneration<G, T>> {
  const { notBefore, notAfter } = bounds ?? ANY;
  const passedOver: TidemarkError[] = [];
  for (const generation of generations) {
    const { lsn } = generation.position;
    if (lsn > notAfter) {
      passedOver.push(aheadOfResults(lsn, notAfter));
      continue;
    }
    if (lsn < notBefore) break;
    try {
      return { generation, loaded: await read(generation), passedOver };
    } catch (error) {
      if (!(error instanceof TidemarkError) || error.code !== "CHECKPOINT_CORRUPT") throw error;
      passedOver.push(error);
    }
  }
  throw passedOver[0] ?? behindStream(notBefore);
}

function behindStream(start: Lsn): TidemarkError {
  return new TidemarkError(
    "SLOT_AHEAD",
    `The stream begins at ${formatLsn(start)}, beyond every generation of the checkpoint: the ` +
      "changes between are lost to this pipeline. Run with --reset to start from nothing.",
  );
}

function aheadOfResults(lsn: Lsn, results: Lsn): TidemarkError {
  return new TidemarkError(
    "DIVERGED",
    `The checkpoint at ${formatLsn(lsn)} is ahead of the results at ${formatLsn(results)}, as ` +
      "after a results database was restored from a backup. Run with --reset to start from " +
      "nothing.",
  );
}
