import type { CheckpointHeader } from "../core/checkpoint-store.js";
import { TidemarkError } from "../core/errors.js";
import { formatLsn } from "../core/lsn.js";
import type { SinkProgress } from "../core/sink.js";

/**
 * Whether a birth was begun that is to go on: with a copy, results are claimed before there is a
 * checkpoint, and whatever they hold is replaced by the next copy.
 */
export function isCopyPending(
  progress: SinkProgress | null,
  header: CheckpointHeader | null,
): boolean {
  return header !== null && header.position === null && (progress?.epoch ?? 0) <= header.epoch;
}

/** Results without the state they were computed from cannot be continued. */
export function refuseOrphanedResults(
  progress: SinkProgress | null,
  header: CheckpointHeader | null,
): void {
  if (progress === null) return;
  const checkpoint = header?.position ?? null;
  if (checkpoint === null || checkpoint.systemId !== progress.position.systemId) {
    throw new TidemarkError(
      "SLOT_WITHOUT_CHECKPOINT",
      `The results stand at ${formatLsn(progress.position.lsn)}, but there is no checkpoint of ` +
        "this pipeline that belongs to them. Check the checkpoint URL, or run with --reset to " +
        "start from nothing.",
    );
  }
  const generations = [checkpoint, ...(header?.earlier ?? [])];
  if (generations.every(({ lsn }) => lsn > progress.position.lsn)) {
    throw new TidemarkError(
      "DIVERGED",
      `The checkpoint at ${formatLsn(checkpoint.lsn)} is ahead of the results at ` +
        `${formatLsn(progress.position.lsn)}, as after a results database was restored from a ` +
        "backup. Run with --reset to start from nothing.",
    );
  }
}
