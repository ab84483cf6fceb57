import { TidemarkError } from "../../core/errors.js";
import { formatLsn } from "../../core/lsn.js";
import type { StateBlock } from "../../core/operator.js";
import type { PipelineDefinition } from "../../index.js";
import {
  type ExportedCheckpoint,
  readCheckpointFile,
  writeCheckpointFile,
} from "./checkpoint-file.js";
import type { Outcome } from "./outcome.js";
import { positionFacts, refuseWhileRead, type Standing, withStanding } from "./standing.js";

/** Tells what the newest checkpoint holds, by step. Changes nothing. */
export function showCheckpoint(definition: PipelineDefinition): Promise<Outcome> {
  return withStanding(definition, async (standing) => {
    const { blocks, position } = await loadCheckpoint(standing, definition.name);
    const sizes = new Map<string, { blocks: number; bytes: number }>();
    for (const { operator, bytes } of blocks) {
      const size = sizes.get(operator) ?? { blocks: 0, bytes: 0 };
      size.blocks += 1;
      size.bytes += bytes.length;
      sizes.set(operator, size);
    }
    const earlier = standing.header?.earlier.map(({ lsn }) => formatLsn(lsn)) ?? [];
    return {
      command: "checkpoint show",
      pipeline: definition.name,
      isDone: true,
      facts: {
        ...positionFacts(standing),
        systemId: position.systemId,
        timeline: position.timeline,
        earlier: earlier.join(", ") || null,
        blocks: blocks.length,
        bytes: byteLength(blocks),
      },
      notes: [...sizes].map(
        ([operator, size]) => `${operator}: ${size.blocks} blocks, ${size.bytes} bytes`,
      ),
    };
  });
}

/** Writes the newest checkpoint to a file. Changes nothing else; the pipeline may run meanwhile. */
export function exportCheckpoint(definition: PipelineDefinition, path: string): Promise<Outcome> {
  return withStanding(definition, async (standing) => {
    const checkpoint = await loadCheckpoint(standing, definition.name);
    await writeCheckpointFile(path, checkpoint);
    return {
      command: "checkpoint export",
      pipeline: definition.name,
      isDone: true,
      facts: {
        file: path,
        checkpoint: formatLsn(checkpoint.position.lsn),
        blocks: checkpoint.blocks.length,
        bytes: byteLength(checkpoint.blocks),
      },
      notes: ["The file holds values of rows (keys, aggregates); only its owner may read it."],
    };
  });
}

/**
 * Puts an exported checkpoint in place of the one in the store. Whether a run can go on from it is
 * judged at the next start, by slot and results, as for any checkpoint.
 */
export function importCheckpoint(
  definition: PipelineDefinition,
  { path, isConfirmed }: { readonly path: string; readonly isConfirmed: boolean },
): Promise<Outcome> {
  return withStanding(definition, async (standing) => {
    const imported = await readCheckpointFile(path);
    if (imported.pipeline !== definition.name) {
      throw new TidemarkError(
        "REBIND_REFUSED",
        `${path} is a checkpoint of pipeline ${imported.pipeline}, not of ${definition.name}; ` +
          "nothing was changed.",
      );
    }
    await refuseWhileRead(standing);
    if (isConfirmed) await replaceCheckpoint(standing, imported);
    return {
      command: "checkpoint import",
      pipeline: definition.name,
      isDone: isConfirmed,
      facts: {
        ...positionFacts(standing),
        file: path,
        imported: formatLsn(imported.position.lsn),
        blocks: imported.blocks.length,
      },
      notes: ["The checkpoint in the store is replaced by the one in the file."],
    };
  });
}

/** Loads the newest checkpoint, or throws SLOT_WITHOUT_CHECKPOINT. */
export async function loadCheckpoint(
  { store, header }: Standing,
  pipeline: string,
): Promise<ExportedCheckpoint> {
  if (header === null || header.position === null) {
    throw new TidemarkError(
      "SLOT_WITHOUT_CHECKPOINT",
      `Pipeline ${pipeline} has no checkpoint. Check the checkpoint URL, or run the pipeline first.`,
    );
  }
  const { position, blocks } = await store.load();
  return { pipeline, epoch: header.epoch, position, blocks };
}

/**
 * Replaces what the store holds by a checkpoint of a newer epoch than any. A store has no such
 * step, so that it is emptied first; what was there should be in a file.
 */
export async function replaceCheckpoint(
  { store, header, progress }: Standing,
  { epoch, position, blocks }: ExportedCheckpoint,
): Promise<void> {
  const next = Math.max(epoch, header?.epoch ?? 0, progress?.epoch ?? 0) + 1;
  await store.reset();
  await store.claim(next, position);
  await store.load(); // what the save goes on from
  await store.save({ epoch: next, position, blocks });
  await store.settled(position.lsn);
}

function byteLength(blocks: readonly StateBlock[]): number {
  return blocks.reduce((sum, { bytes }) => sum + bytes.length, 0);
}
