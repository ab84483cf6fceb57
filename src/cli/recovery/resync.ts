import type { ResultsFate } from "../../core/sink.js";
import type { PipelineDefinition } from "../../index.js";
import { copiedTables, outputTablesOf } from "../../pipeline/plan.js";
import type { Settings } from "../../pipeline/settings.js";
import { GrowingRecording } from "../../source/detour/growing-recording.js";
import { dropSlot } from "../../source/slot.js";
import { formatBytes } from "../render.js";
import type { Outcome } from "./outcome.js";
import { positionFacts, refuseWhileRead, type Standing, withStanding } from "./standing.js";

/** How {@link resync} is confirmed. */
export interface ResyncOptions {
  readonly isConfirmed: boolean;
  readonly results: Exclude<ResultsFate, "drop">;
}

/**
 * Lets a pipeline start anew: drops the slot and forgets checkpoint and progress, so that the next
 * run begins with the changes from then on. Results are emptied or kept. Says first what is lost.
 */
export function resync(
  definition: PipelineDefinition,
  { isConfirmed, results }: ResyncOptions,
): Promise<Outcome> {
  return withStanding(definition, async (standing) => {
    await refuseWhileRead(standing);
    const { source, store, sink, settings } = standing;
    if (isConfirmed) {
      // The slot goes first: without it a start is refused until the rest is done, too.
      await dropSlot(source, settings.source.slotName);
      await removeDetour(settings);
      await store.reset();
      await sink.reset(outputTablesOf(definition.plan), results);
    }
    return {
      command: "resync",
      pipeline: definition.name,
      isDone: isConfirmed,
      facts: { ...positionFacts(standing), resultTables: results },
      notes: [...losses(standing, results), next(copiedTables(definition.plan))],
    };
  });
}

async function removeDetour({ walBudget }: Settings): Promise<void> {
  const detour = walBudget?.detour ?? null;
  if (detour !== null) await new GrowingRecording(detour.recording.dir).remove();
}

function losses({ header, walEnd }: Standing, results: ResyncOptions["results"]): string[] {
  const from = header?.position?.lsn ?? null;
  const behind = from === null || from > walEnd ? null : formatBytes(Number(walEnd - from));
  return [
    from === null
      ? "Lost: nothing that is known; there is no checkpoint."
      : `Lost: the windows in memory, and every change after the checkpoint${
          behind === null ? "" : ` (${behind} of WAL until now)`
        } up to the next start.`,
    results === "empty"
      ? "Result tables are emptied; what others built on them stays."
      : "Result tables keep their rows. A window that goes on is counted from zero and then " +
        "replaces its row.",
  ];
}

function next(copied: readonly string[]): string {
  if (copied.length === 0) return "Next: tidemark run makes a new slot and begins there.";
  return (
    "Next: tidemark run makes a new slot, begins with a copy of " +
    `${copied.join(", ")}, and replaces the views over them at once.`
  );
}
