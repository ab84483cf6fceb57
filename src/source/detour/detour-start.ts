import type { CheckpointHeader } from "../../core/checkpoint-store.js";
import { TidemarkError } from "../../core/errors.js";
import { formatLsn } from "../../core/lsn.js";
import type { Position } from "../../core/position.js";

/** What is known before a detour is read. */
export interface DetourStartFacts {
  readonly dir: string;
  readonly slotName: string;
  /** Where the detour begins. */
  readonly begin: Position;
  readonly header: CheckpointHeader | null;
}

/**
 * Where to begin in a detour: as with a slot, at the oldest generation of the checkpoint that it
 * still has everything after. The slot is ahead of the checkpoint then, which is as it should be
 * because the detour has what lies between. Throws the reason why it cannot be used.
 */
export function detourStart({ dir, slotName, begin, header }: DetourStartFacts): Position {
  const checkpoint = header?.position ?? null;
  if (checkpoint === null) {
    throw new TidemarkError(
      "SLOT_WITHOUT_CHECKPOINT",
      `There is a detour in ${dir}, but this pipeline has no checkpoint: what was done with it ` +
        "is unknown. Restore the checkpoint, or run with --reset to start from nothing, which " +
        "removes the detour.",
      { detail: { slot: slotName } },
    );
  }
  if (checkpoint.systemId !== begin.systemId) {
    throw new TidemarkError(
      "OTHER_SYSTEM",
      `The detour in ${dir} is of the server with system identifier ${begin.systemId}, but the ` +
        `checkpoint was taken from ${checkpoint.systemId}. Check the source URL; if the change ` +
        "is meant, run with --reset.",
    );
  }
  if (checkpoint.lsn < begin.lsn) {
    throw new TidemarkError(
      "SLOT_AHEAD",
      `The detour in ${dir} begins at ${formatLsn(begin.lsn)}, beyond the checkpoint at ` +
        `${formatLsn(checkpoint.lsn)}: the checkpoint store has gone back to an older state (a ` +
        "copy, a failover), and the changes between are lost to this pipeline. Run with --reset " +
        "to start from nothing.",
      { detail: { slot: slotName } },
    );
  }
  return header?.earlier.filter(({ lsn }) => lsn >= begin.lsn).at(-1) ?? checkpoint;
}
