import type { ErrorCode } from "../../core/error-codes.js";
import { TidemarkError } from "../../core/errors.js";

/** One thing that was looked at. */
export interface Finding {
  /** What was looked at, the same in every run: `wal_level`, `table public.events`. */
  readonly name: string;
  readonly verdict: "ok" | "warn" | "fail";
  readonly summary: string;
  /** What it costs as it is. */
  readonly cost?: string;
  /** The exact statement or command that mends it. */
  readonly fix?: string;
}

/** What a finding may have beside its summary. */
export type FindingExtras = Pick<Finding, "cost" | "fix">;

export function ok(name: string, summary: string, extras: FindingExtras = {}): Finding {
  return { name, verdict: "ok", summary, ...extras };
}

export function warn(name: string, summary: string, extras: FindingExtras = {}): Finding {
  return { name, verdict: "warn", summary, ...extras };
}

export function fail(name: string, summary: string, extras: FindingExtras = {}): Finding {
  return { name, verdict: "fail", summary, ...extras };
}

const RESET = "tidemark run --reset";
/** Where the way out is a command and not a statement. */
const COMMANDS: Partial<Record<ErrorCode, string>> = {
  SLOT_MISSING: RESET,
  SLOT_LOST: RESET,
  SLOT_AHEAD: RESET,
  OTHER_SYSTEM: RESET,
  DIVERGED: RESET,
  SLOT_WITHOUT_CHECKPOINT: "tidemark run --adopt-slot",
};

/** What would stop the pipeline, as a finding. Anything but a TidemarkError is thrown on. */
export function failure(name: string, error: unknown, extras: FindingExtras = {}): Finding {
  if (!(error instanceof TidemarkError)) throw error;
  const fix = error.detail["fix"] ?? COMMANDS[error.code];
  const own = typeof fix === "string" ? { fix } : {};
  const summary = error.message.replace(` Run: ${fix}`, "");
  return fail(name, `${summary} [${error.code}]`, { ...own, ...extras });
}

/** The findings of `look`; if it fails, that failure. */
export async function collect(name: string, look: () => Promise<Finding[]>): Promise<Finding[]> {
  try {
    return await look();
  } catch (error) {
    return [failure(name, error)];
  }
}
