import type { CheckpointHeader } from "../../core/checkpoint-store.js";
import { formatLsn, type Lsn } from "../../core/lsn.js";
import type { SinkProgress } from "../../core/sink.js";
import { isCopyPending, refuseOrphanedResults } from "../../pipeline/orphaned-results.js";
import type { SlotFacts } from "../../source/slot.js";
import { judgeServer, judgeStart, type ServerFacts } from "../../source/start-verdict.js";
import { formatBytes } from "../render.js";
import { type Finding, fail, failure, ok, warn } from "./finding.js";

/** What a start would find. */
export interface BeginningFacts {
  readonly slotName: string;
  readonly slot: SlotFacts | null;
  readonly plugin: string;
  readonly header: CheckpointHeader | null;
  /** Tables that the first run copies. */
  readonly copiedTables: readonly string[];
  /** Undefined when the results database could not be asked. */
  readonly progress: SinkProgress | null | undefined;
  /** Null when the replication connection was refused. */
  readonly server: ServerFacts | null;
}

/** Where the next start begins, or why it would refuse. */
export function judgeBeginning(facts: BeginningFacts): Finding {
  const { slotName, slot, plugin, header, progress, server, copiedTables } = facts;
  const checkpoint = header?.position ?? null;
  const isBirthPending = header !== null && checkpoint === null;
  const isCopying = copiedTables.length > 0;
  try {
    const isPending = isCopying && isCopyPending(progress ?? null, header);
    if (progress !== undefined && !isPending) refuseOrphanedResults(progress, header);
    const earlier = header?.earlier ?? [];
    const known = { slotName, slot, checkpoint, earlier, isBirthPending, isCopying };
    const verdict = judgeStart({ ...known, mayAdopt: false, plugin });
    if (server !== null && checkpoint !== null) judgeServer(server, checkpoint);
    if (verdict.action === "resume") {
      return ok("start", `The pipeline goes on from ${formatLsn(checkpoint?.lsn ?? verdict.from)}`);
    }
    return ok(
      "start",
      `The first run creates slot ${slotName} and reads what is committed after that; ` +
        (isCopying
          ? `before, it copies the rows of ${copiedTables.join(", ")}`
          : "rows that are there already are not read"),
    );
  } catch (error) {
    return failure("start", error);
  }
}

/** How much WAL a slot holds back. */
export interface SlotWalFacts {
  readonly slot: SlotFacts;
  /** Where the server's WAL ends. */
  readonly walEnd: Lsn;
  /** Bytes that may still be written before the slot is in danger; null without a limit. */
  readonly safeBytes: number | null;
}

/** Judges the slot's distance from the end of WAL. A lost slot is {@link judgeBeginning}'s. */
export function judgeSlotWal({ slot, walEnd, safeBytes }: SlotWalFacts): Finding[] {
  const { restartLsn, confirmedFlushLsn } = slot;
  if (restartLsn === null || confirmedFlushLsn === null) return [];
  const held = Number(walEnd - restartLsn);
  const behind = formatBytes(Number(walEnd - confirmedFlushLsn));
  const summary = `The pipeline is ${behind} of WAL behind`;
  const cost = `The slot holds back ${formatBytes(held)} of WAL on the source's disk`;
  const fix = "ALTER SYSTEM SET max_slot_wal_keep_size = '10GB'; SELECT pg_reload_conf();";
  if (slot.walStatus === "unreserved") {
    return [fail("slot WAL", `${summary}: the slot is about to be lost`, { cost, fix })];
  }
  if (safeBytes !== null && safeBytes < (safeBytes + held) / 4) {
    const left = `${formatBytes(Math.max(safeBytes, 0))} more and the slot is lost`;
    return [warn("slot WAL", `${summary}: ${left}`, { cost, fix })];
  }
  return [ok("slot WAL", summary, { cost })];
}
