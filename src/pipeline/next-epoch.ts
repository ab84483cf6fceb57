import { TidemarkError } from "../core/errors.js";

interface Claimed {
  readonly epoch: number;
}

/**
 * The epoch to claim: one more than results and checkpoint have seen. A process that reconnects and
 * finds a greater epoch than its own (0 when it has claimed nothing yet) was taken over meanwhile:
 * were it to claim the next one, two instances would take the slot from each other for ever. Throws
 * FENCED.
 */
export function nextEpoch(own: number, progress: Claimed | null, header: Claimed | null): number {
  const found = Math.max(progress?.epoch ?? 0, header?.epoch ?? 0);
  if (own === 0 || found <= own) return found + 1;
  throw new TidemarkError(
    "FENCED",
    `Another instance has claimed the pipeline (epoch ${found}) while this one (epoch ${own}) ` +
      "was not connected; this one stops. Nothing it held back was written.",
    { detail: { own, found } },
  );
}
