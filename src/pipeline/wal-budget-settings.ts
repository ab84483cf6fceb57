import { join, resolve } from "node:path";
import { parseDuration } from "../core/duration.js";
import { TidemarkError } from "../core/errors.js";
import type { RecordSettings } from "./settings.js";
import type { WalBudgetOptions } from "./specs.js";

/** What a slot may keep, complete and checked. */
export interface WalBudgetSettings {
  readonly bytes: number;
  readonly patienceMs: number;
  /** Null: the pipeline stops. */
  readonly detour: {
    readonly recording: RecordSettings;
    readonly maxBytes: number;
    readonly whenFull: "stop" | "wait";
  } | null;
}

const MAX_SEGMENT_BYTES = 64 * 2 ** 20;

/**
 * The budget that is asked for by `options`, or by TIDEMARK_WAL_BUDGET (bytes) and
 * TIDEMARK_WAL_DETOUR (a folder); null for none. Throws CONFIG_INVALID where it cannot be kept.
 */
export function resolveWalBudget(
  options: WalBudgetOptions | undefined,
  context: {
    readonly env: (name: string) => string | undefined;
    readonly slotName: string;
    readonly isRecorded: boolean;
  },
): WalBudgetSettings | null {
  const { env, slotName, isRecorded } = context;
  const bytes = options?.bytes ?? fromEnvironment(env("TIDEMARK_WAL_BUDGET"));
  if (bytes === null) return null;
  const dir = options?.detour?.dir ?? env("TIDEMARK_WAL_DETOUR");
  const patienceMs = parseDuration(options?.patience ?? "30s", "walBudget.patience");
  if (dir === undefined) return { bytes, patienceMs, detour: null };
  if (isRecorded) {
    throw new TidemarkError(
      "CONFIG_INVALID",
      "A pipeline that records (option record, --record or TIDEMARK_RECORD) cannot take a " +
        "detour: what goes through the detour would be missing from the recording. Leave one of them out.",
    );
  }
  const { maxBytes = 16 * 2 ** 30, whenFull = "stop" } = options?.detour ?? {};
  const recording: RecordSettings = {
    dir: join(resolve(dir), slotName),
    codec: "deflate",
    // Room is made a segment at a time.
    segmentBytes: Math.min(MAX_SEGMENT_BYTES, Math.ceil(maxBytes / 8)),
    blockBytes: 256 * 1024,
    maxBytes: null,
    maxAgeMs: null,
  };
  return { bytes, patienceMs, detour: { recording, maxBytes, whenFull } };
}

function fromEnvironment(text: string | undefined): number | null {
  if (text === undefined) return null;
  const bytes = Number(text);
  if (Number.isInteger(bytes) && bytes >= 2 ** 20) return bytes;
  throw new TidemarkError(
    "CONFIG_INVALID",
    `TIDEMARK_WAL_BUDGET takes a number of bytes, at least 1048576, not "${text}".`,
  );
}
