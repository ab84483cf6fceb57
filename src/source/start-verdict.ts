import { TidemarkError } from "../core/errors.js";
import { formatLsn, type Lsn, parseLsn } from "../core/lsn.js";
import type { Position } from "../core/position.js";
import type { SlotFacts } from "./slot.js";

/** What is known before a stream starts. */
export interface StartFacts {
  readonly slotName: string;
  readonly slot: SlotFacts | null;
  readonly checkpoint: Position | null;
  /** Older generations that may have to stand in for the checkpoint. */
  readonly earlier?: readonly Position[];
  readonly isBirthPending: boolean;
  /** Whether a birth begins with a copy, for which only a slot made with its snapshot will do. */
  readonly isCopying?: boolean;
  /** The operator said that slot and checkpoint are to be replaced. */
  readonly beginsAnew?: boolean;
  /** The operator said that the slot's own position is the right place to begin. */
  readonly mayAdopt: boolean;
  /** The output plugin that the slot is to have. Default: pgoutput. */
  readonly plugin?: string;
}

/** What to do about the slot. */
export type StartVerdict =
  | { readonly action: "create" }
  | { readonly action: "recreate" }
  | { readonly action: "resume"; readonly from: Lsn };

/**
 * Decides from the slot and the checkpoint whether the stream can start without a gap, or throws
 * the reason why not. A checkpoint that is ahead of the slot is normal: it is durable first. The
 * stream then begins at the oldest generation that the slot still allows, so that a damaged newest
 * one can be replaced without opening another stream; what the loaded one has is skipped.
 */
export function judgeStart(facts: StartFacts): StartVerdict {
  const { slot, slotName, checkpoint, beginsAnew = false } = facts;
  if (slot === null) {
    if (checkpoint === null || beginsAnew) return { action: "create" };
    throw new TidemarkError(
      "SLOT_MISSING",
      `Replication slot ${slotName} does not exist, but there is a checkpoint at ` +
        `${formatLsn(checkpoint.lsn)}: changes since then cannot be read. Run with --reset to ` +
        "start from nothing, or correct the slot's name.",
      { detail: { slot: slotName } },
    );
  }
  refuseForeign(facts, slot);
  if (beginsAnew) return { action: "recreate" };
  if (checkpoint === null) {
    if (facts.isBirthPending) return facts.isCopying ? { action: "recreate" } : adoptOwn(slot);
    refuseLost(slotName, slot);
    if (facts.mayAdopt && !facts.isCopying && slot.confirmedFlushLsn !== null) {
      return { action: "resume", from: slot.confirmedFlushLsn };
    }
    throw slotWithoutCheckpoint(facts);
  }
  refuseLost(slotName, slot);
  if (slot.confirmedFlushLsn !== null && slot.confirmedFlushLsn > checkpoint.lsn) {
    throw new TidemarkError(
      "SLOT_AHEAD",
      `Replication slot ${slotName} stands at ${formatLsn(slot.confirmedFlushLsn)}, beyond the ` +
        `checkpoint at ${formatLsn(checkpoint.lsn)}: it was advanced or made anew by someone ` +
        "else, or the checkpoint store has gone back to an older state (a copy, a failover); " +
        "the changes between are lost to this pipeline. Run with --reset to start from nothing.",
      { detail: { slot: slotName } },
    );
  }
  const confirmed = slot.confirmedFlushLsn ?? checkpoint.lsn;
  const usable = (facts.earlier ?? []).filter(({ lsn }) => lsn >= confirmed);
  return { action: "resume", from: usable.at(-1)?.lsn ?? checkpoint.lsn };
}

function slotWithoutCheckpoint({ slotName, isCopying = false }: StartFacts): TidemarkError {
  const drop = `SELECT pg_drop_replication_slot('${slotName}');`;
  return new TidemarkError(
    "SLOT_WITHOUT_CHECKPOINT",
    `Replication slot ${slotName} exists, but this pipeline has no checkpoint: what the slot ` +
      "has already passed is unknown. " +
      (isCopying
        ? "The rows that the pipeline follows can only be copied where a slot is made: run with " +
          `--rebuild to make it anew, or drop it: ${drop}`
        : `Run with --adopt-slot to begin at its position, or drop it: ${drop}`),
    { detail: { slot: slotName } },
  );
}

/**
 * A birth that stopped before its checkpoint left a slot from which nothing was read: going on from
 * it loses nothing. Made anew it would pull the ground from under another instance of the same
 * first start, which may have its checkpoint by now.
 */
function adoptOwn(slot: SlotFacts): StartVerdict {
  const isUsable = slot.walStatus !== "lost" && slot.invalidationReason === null;
  if (!isUsable || slot.confirmedFlushLsn === null) return { action: "recreate" };
  return { action: "resume", from: slot.confirmedFlushLsn };
}

function refuseForeign({ slotName, plugin = "pgoutput" }: StartFacts, slot: SlotFacts): void {
  if (slot.plugin === plugin && slot.database === slot.currentDatabase) return;
  throw new TidemarkError(
    "SLOT_FOREIGN",
    `Replication slot ${slotName} belongs to database ${slot.database} with plugin ` +
      `${slot.plugin}; Tidemark needs one of its own with ${plugin} in ${slot.currentDatabase}. ` +
      "Choose another slot name.",
    { detail: { slot: slotName } },
  );
}

function refuseLost(slotName: string, slot: SlotFacts): void {
  if (slot.walStatus !== "lost" && slot.invalidationReason === null) return;
  throw new TidemarkError(
    "SLOT_LOST",
    `The server has invalidated replication slot ${slotName} ` +
      `(${slot.invalidationReason ?? "its WAL was removed"}): the changes are gone. Run with ` +
      "--reset to start from nothing; raise max_slot_wal_keep_size so that it does not happen again.",
    { detail: { slot: slotName, reason: slot.invalidationReason } },
  );
}

/** The server as IDENTIFY_SYSTEM and, after a promotion, TIMELINE_HISTORY describe it. */
export interface ServerFacts {
  readonly systemId: string;
  readonly timeline: number;
  readonly walFlushLsn: Lsn;
  /** Where the server's history left the checkpoint's timeline; null while it is still on it. */
  readonly branchLsn: Lsn | null;
}

/** Throws when the checkpoint was taken from another cluster. */
export function judgeSystem(systemId: string, checkpoint: Position): void {
  if (systemId === checkpoint.systemId) return;
  throw new TidemarkError(
    "OTHER_SYSTEM",
    `The server has system identifier ${systemId}, but the checkpoint was taken from ` +
      `${checkpoint.systemId}. Check the source URL; if the change is meant, run with --reset.`,
  );
}

/** Throws when a checkpoint's or the results' position is not in the history of this server. */
export function judgeServer(server: ServerFacts, checkpoint: Position): void {
  judgeSystem(server.systemId, checkpoint);
  const limit = server.branchLsn ?? server.walFlushLsn;
  if (checkpoint.lsn > limit) {
    throw new TidemarkError(
      "DIVERGED",
      `The saved position ${formatLsn(checkpoint.lsn)} lies beyond what this server has of that ` +
        `history (${formatLsn(limit)}): results hold changes it never had, as after a restored ` +
        "backup or the promotion of a lagging standby. Run with --reset to start from nothing.",
    );
  }
}

/**
 * Where the history in `file` (the content of TIMELINE_HISTORY: timeline, LSN and reason a line)
 * leaves `timeline`; null when it does not mention it.
 */
export function branchPoint(file: string, timeline: number): Lsn | null {
  for (const line of file.split("\n")) {
    const match = /^\s*(\d+)\s+([0-9A-Fa-f]+\/[0-9A-Fa-f]+)/.exec(line);
    if (match !== null && Number(match[1]) === timeline) return parseLsn(match[2] as string);
  }
  return null;
}
