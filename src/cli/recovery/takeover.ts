import { setTimeout as pause } from "node:timers/promises";
import { TidemarkError } from "../../core/errors.js";
import type { PipelineDefinition } from "../../index.js";
import { readSlot } from "../../source/slot.js";
import { slotActive } from "../../source/slot-source.js";
import type { Outcome } from "./outcome.js";
import { positionFacts, type Standing, withStanding } from "./standing.js";

const POLL_MS = 50;

/**
 * Takes a pipeline from the instance that runs it: ends the walsender that holds the slot, then
 * claims the next epoch, so that the other one is fenced off and does not come back. Nobody runs it
 * afterwards, until somebody starts it.
 */
export function takeOver(definition: PipelineDefinition, isConfirmed: boolean): Promise<Outcome> {
  return withStanding(definition, async (standing) => {
    const { header, progress, slot, settings } = standing;
    const pid = slot?.activePid ?? null;
    const position = header?.position ?? null;
    const facts = positionFacts(standing);
    const epoch = Number(facts["epoch"]) + 1;
    const claims = position !== null && progress !== null;
    if (isConfirmed) {
      // Fenced first: were the slot free before, the other one could claim once more.
      if (claims) {
        await standing.store.claim(epoch, position);
        await standing.sink.claim(epoch, progress.position);
      }
      if (pid !== null) await terminate(standing, pid);
    }
    return {
      command: "takeover",
      pipeline: definition.name,
      isDone: isConfirmed,
      facts: { ...facts, holder: pid, claimedEpoch: claims ? epoch : null },
      notes: [
        pid === null
          ? `Nobody reads slot ${settings.source.slotName}.`
          : `Backend ${pid}, which reads slot ${settings.source.slotName}, is ended.`,
        claims
          ? "The instance that ran is fenced: it writes nothing more and ends with FENCED."
          : "There is no checkpoint with results yet, so there is no epoch to claim.",
        "Next: tidemark run, where it is to run from now on.",
      ],
    };
  });
}

async function terminate({ source, settings }: Standing, pid: number): Promise<void> {
  const { slotName, slotWaitMs } = settings.source;
  const [ended] = await source.query("select pg_terminate_backend($1) as ended", [pid]);
  for (let waitedMs = 0; waitedMs <= slotWaitMs; waitedMs += POLL_MS) {
    const slot = await readSlot(source, slotName);
    if (slot?.activePid !== pid) return;
    await pause(POLL_MS);
  }
  if (ended?.["ended"] === true) throw await slotActive(source, slotName, pid);
  throw new TidemarkError(
    "SLOT_ACTIVE",
    `Backend ${pid} still reads slot ${slotName} and could not be ended; end it as a superuser.`,
    { detail: { slot: slotName, pid } },
  );
}
