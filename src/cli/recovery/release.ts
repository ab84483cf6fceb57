import { TidemarkError } from "../../core/errors.js";
import { formatLsn } from "../../core/lsn.js";
import type { PipelineDefinition } from "../../index.js";
import { DeadLetters } from "../../operators/poison/dead-letters.js";
import { loadCheckpoint } from "./checkpoint-commands.js";
import type { Outcome } from "./outcome.js";
import { positionFacts, refuseWhileRead, withStanding } from "./standing.js";

/**
 * Lets the rows of all blocked keys pass again from the next start on. What was held back stays in
 * the table of dead letters. Only where state and results stand at one position: in a replay, rows
 * that were held back before have to be held back again.
 */
export function release(definition: PipelineDefinition, isConfirmed: boolean): Promise<Outcome> {
  return withStanding(definition, async (standing) => {
    await refuseWhileRead(standing);
    const { position, blocks } = await loadCheckpoint(standing, definition.name);
    const results = standing.progress?.position.lsn ?? position.lsn;
    if (results !== position.lsn) {
      throw new TidemarkError(
        "RELEASE_REFUSED",
        `The results stand at ${formatLsn(results)}, the state at ${formatLsn(position.lsn)}, as ` +
          "after a kill. Start the pipeline and stop it, then release.",
      );
    }
    const { state, blocked, id } = new DeadLetters(definition.name);
    state.restore(blocks.filter(({ operator }) => operator === id));
    const released = blocked.release();
    const facts = positionFacts(standing);
    if (isConfirmed && released > 0) {
      const epoch = Number(facts["epoch"]) + 1;
      await standing.store.claim(epoch, position);
      await standing.store.load(); // what the save goes on from
      await standing.store.save({ epoch, position, blocks: state.snapshot().blocks });
      await standing.store.settled(position.lsn);
    }
    return {
      command: "release",
      pipeline: definition.name,
      isDone: isConfirmed,
      facts: { ...facts, blockedKeys: released },
      notes: ["Rows that were held back stay in tidemark.dead_letter, in order."],
    };
  });
}
