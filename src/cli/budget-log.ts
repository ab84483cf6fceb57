import type { Logger } from "pino";
import { type BudgetEvent, type DetourStatus, formatLsn } from "../index.js";
import { scrub } from "./logger.js";

/** A line for each thing that is done about the WAL that a slot keeps. */
export function logBudget(log: Logger, event: BudgetEvent): void {
  switch (event.kind) {
    case "detour-begins":
      log.warn(
        { lagBytes: event.lagBytes, dir: event.dir },
        "detour begins: the slot keeps more than walBudget allows; it is confirmed from a recording",
      );
      break;
    case "detour-resumes":
      log.warn({ dir: event.dir }, "detour goes on: an earlier run left it");
      break;
    case "detour-full":
      log.warn(
        { lagBytes: event.lagBytes, diskBytes: event.diskBytes },
        "detour takes no more: the slot keeps WAL again, beyond walBudget",
      );
      break;
    case "detour-ends":
      log.info({ end: formatLsn(event.endLsn) }, "detour ends: it is read to its end");
      break;
    case "detour-over":
      log.info("detour over: the slot is read again");
      break;
    case "detour-retry":
      log.warn(
        { code: event.error.code, retryInMs: Math.round(event.delayMs) },
        scrub(`detour: ${event.error.message}`),
      );
      break;
  }
}

/** A detour for a status line; nothing while there is none. */
export function detourFacts(detour: DetourStatus | null): Record<string, unknown> {
  if (detour === null) return {};
  const { isRecording, isFull, recordedLsn, diskBytes } = detour;
  const phase = isFull ? "full" : isRecording ? "recording" : "ending";
  return { detour: phase, recorded: formatLsn(recordedLsn), detourBytes: diskBytes };
}
