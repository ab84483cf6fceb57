import { TidemarkError } from "../../core/errors.js";
import { formatLsn, type Lsn } from "../../core/lsn.js";
import type { Position } from "../../core/position.js";
import type { PipelineDefinition } from "../../index.js";
import { identifyServer } from "../../source/identify-server.js";
import type { ServerFacts } from "../../source/start-verdict.js";
import { formatBytes } from "../render.js";
import { loadCheckpoint, replaceCheckpoint } from "./checkpoint-commands.js";
import { writeCheckpointFile } from "./checkpoint-file.js";
import type { Outcome } from "./outcome.js";
import { positionFacts, refuseWhileRead, type Standing, withStanding } from "./standing.js";

/** How {@link rebind} is confirmed. */
export interface RebindOptions {
  readonly isConfirmed: boolean;
  /** Changes between the checkpoint and the slot may be missing. */
  readonly acceptsGap: boolean;
  /** Where the checkpoint is kept as it was. */
  readonly backup: string;
}

/**
 * Makes the checkpoint belong to the slot that the settings name, on the server they name, after a
 * verified failover or a restored backup: its state goes on from where that slot begins. What lies
 * between is told and has to be accepted; on another cluster nobody but the operator can know.
 */
export function rebind(definition: PipelineDefinition, options: RebindOptions): Promise<Outcome> {
  return withStanding(definition, async (standing) => {
    await refuseWhileRead(standing);
    const checkpoint = await loadCheckpoint(standing, definition.name);
    const begins = usableSlot(standing);
    const server = await identifyServer(standing.settings.source.url, checkpoint.position);
    const gap = gapOf({ standing, server, begins, from: checkpoint.position });
    if (gap === null) {
      throw new TidemarkError(
        "REBIND_REFUSED",
        "The slot can be read from the checkpoint as it is: nothing has to be bound anew, and " +
          "nothing was changed; tidemark run goes on.",
      );
    }
    if (options.isConfirmed && !options.acceptsGap) {
      throw new TidemarkError(
        "REBIND_REFUSED",
        `${gap} Nothing was changed. Say --accept-gap beside --yes if that is right.`,
      );
    }
    const position = { systemId: server.systemId, timeline: server.timeline, lsn: begins };
    if (options.isConfirmed) {
      await writeCheckpointFile(options.backup, checkpoint);
      // Without progress, results are taken to stand at the checkpoint, wherever that is.
      await standing.sink.reset([], "keep");
      await replaceCheckpoint(standing, { ...checkpoint, position });
    }
    return {
      command: "checkpoint rebind",
      pipeline: definition.name,
      isDone: options.isConfirmed,
      facts: {
        ...positionFacts(standing),
        fromSystem: checkpoint.position.systemId,
        toSystem: server.systemId,
        timeline: server.timeline,
        position: formatLsn(begins),
        backup: options.backup,
      },
      notes: [
        gap,
        `The checkpoint as it was goes to ${options.backup}; tidemark checkpoint import puts it back.`,
      ],
    };
  });
}

/** Where the slot begins; REBIND_REFUSED for one that cannot be read from. */
function usableSlot({ slot, settings }: Standing): Lsn {
  const refuse = (why: string): TidemarkError =>
    new TidemarkError(
      "REBIND_REFUSED",
      `Replication slot ${settings.source.slotName} ${why}. Nothing was changed. Make one before ` +
        "the application writes: SELECT pg_create_logical_replication_slot(" +
        `'${settings.source.slotName}', 'pgoutput');`,
    );
  if (slot === null) throw refuse("does not exist on this server");
  if (slot.plugin !== "pgoutput" || slot.database !== slot.currentDatabase) {
    throw refuse(`belongs to plugin ${slot.plugin} in database ${slot.database}`);
  }
  const isLost = slot.walStatus === "lost" || slot.invalidationReason !== null;
  if (slot.confirmedFlushLsn === null || isLost) throw refuse("was invalidated by the server");
  return slot.confirmedFlushLsn;
}

interface GapFacts {
  readonly standing: Standing;
  readonly server: ServerFacts;
  readonly begins: Lsn;
  readonly from: Position;
}

/** What would be missing or cannot be known, in a sentence; null when a run can go on anyway. */
function gapOf({ standing, server, begins, from }: GapFacts): string | null {
  if (server.systemId !== from.systemId) {
    return (
      `Server ${server.systemId} is another cluster than ${from.systemId}: whether its data at ` +
      "the slot's position is what the results were computed from, only you can know."
    );
  }
  if (server.branchLsn !== null && from.lsn > server.branchLsn) {
    return (
      `This server left the checkpoint's history at ${formatLsn(server.branchLsn)}, before ` +
      `${formatLsn(from.lsn)}: the results hold changes that it never had.`
    );
  }
  if (begins <= from.lsn) return null;
  const results = standing.progress?.position.lsn ?? from.lsn;
  const between =
    results > from.lsn ? " Those that the results have will be missing in windows that go on." : "";
  return (
    `The slot begins ${formatBytes(Number(begins - from.lsn))} of WAL after the checkpoint: ` +
    `changes between will be missing.${between}`
  );
}
