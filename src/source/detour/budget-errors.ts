import { TidemarkError } from "../../core/errors.js";
import { formatLsn } from "../../core/lsn.js";
import type { SlotLag } from "../slot-lag.js";

/** What a slot keeps and may keep. */
export interface OverBudget {
  readonly slotName: string;
  readonly lag: SlotLag;
  readonly budgetBytes: number;
  readonly patienceMs: number;
  /** What a detour holds that takes no more; null when there is none. */
  readonly detourBytes: number | null;
}

/** WAL_BUDGET; `detail` has `slot` and `confirmed`. */
export function overBudget(facts: OverBudget): TidemarkError {
  const { slotName, lag, budgetBytes, patienceMs, detourBytes } = facts;
  const kept = mebibytes(Number(lag.walLsn - lag.confirmedLsn));
  const seconds = Math.round(patienceMs / 1000);
  const detour =
    detourBytes === null
      ? ""
      : `; the detour has ${mebibytes(detourBytes)} on disk and takes no more`;
  return new TidemarkError(
    "WAL_BUDGET",
    `Replication slot ${slotName} keeps ${kept} of WAL on the source, more than walBudget allows ` +
      `(${mebibytes(budgetBytes)}), and it did not get less in ${seconds} s${detour}. Nothing is ` +
      "lost, and the slot goes on keeping WAL: mend what keeps results and checkpoints from " +
      "being written, then start again.",
    { detail: { slot: slotName, confirmed: formatLsn(lag.confirmedLsn) } },
  );
}

/** A slot is judged against the detour as if it were a checkpoint; says so in words of a detour. */
export function inWordsOfDetour(error: unknown, dir: string): unknown {
  if (!(error instanceof TidemarkError) || error.code !== "SLOT_AHEAD") return error;
  return new TidemarkError(
    "RECORDING_GAP",
    `The slot has passed the end of the detour in ${dir}: someone else moved it, or the folder ` +
      "is an old copy. If the checkpoint is not behind the slot, remove the folder and start " +
      "again; otherwise the changes between are lost to this pipeline: run with --reset.",
    { cause: error, detail: error.detail },
  );
}

function mebibytes(bytes: number): string {
  return `${Math.round(bytes / 2 ** 20)} MiB`;
}
