import { resolve } from "node:path";
import type { ValueParsers } from "../core/decoder.js";
import { type Duration, parseDuration } from "../core/duration.js";
import { TidemarkError } from "../core/errors.js";
import type { PipelineDefinition } from "./builder.js";
import { type CheckpointSettings, resolveCheckpoint } from "./checkpoint-settings.js";
import type { RecordOptions, SlotSpec } from "./specs.js";
import { resolveWalBudget, type WalBudgetSettings } from "./wal-budget-settings.js";

/** Everything a run needs, complete and checked: no option is looked up after this. */
export interface Settings {
  readonly pipeline: string;
  readonly source: {
    readonly url: string;
    readonly slotName: string;
    readonly publication: string;
    readonly mayCreatePublication: boolean;
    readonly walSenderTimeoutMs: number;
    readonly slotWaitMs: number;
    readonly isStreaming: boolean;
    /** Null: the system's temporary folder. */
    readonly spillDirectory: string | null;
    readonly maxSpillBytes: number;
    readonly isBinary: boolean;
    readonly plugin: "pgoutput" | "wal2json";
    readonly parsers: ValueParsers;
  };
  readonly resultsUrl: string;
  /** How long an answer of a database may take before it is asked whether it still works on it. */
  readonly probeAfterMs: number;
  readonly checkpoint: CheckpointSettings;
  readonly run: RunSettings;
  /** Null: the stream is not recorded. */
  readonly record: RecordSettings | null;
  /** Null: the slot keeps what it has to. */
  readonly walBudget: WalBudgetSettings | null;
}

/** A recording of the stream. */
export interface RecordSettings {
  readonly dir: string;
  readonly codec: "deflate" | "none";
  readonly segmentBytes: number;
  readonly blockBytes: number;
  readonly maxBytes: number | null;
  readonly maxAgeMs: number | null;
}

/** How the loop runs. */
export interface RunSettings {
  readonly flushIntervalMs: number;
  readonly checkpointIntervalMs: number;
  readonly idleCheckpointIntervalMs: number;
  readonly maxInFlightBytes: number;
  /** Result rows held before they are sent. */
  readonly maxOutputBytes: number;
  readonly maxStateBytes: number;
  /** Pauses between attempts after a failure that may pass: the first and the longest. */
  readonly retryMinMs: number;
  readonly retryMaxMs: number;
  /** How long a stop waits for the transaction that is being received. */
  readonly stopDeadlineMs: number;
}

/** Looks an environment variable up; undefined when it is not set. */
export type Environment = (name: string) => string | undefined;

/**
 * Completes a definition: what the file says, otherwise the environment (TIDEMARK_…), otherwise
 * the default. Throws CONFIG_INVALID naming option and variable.
 */
export function resolveSettings(
  definition: PipelineDefinition,
  environment: Environment,
): Settings {
  const { name, source, run } = definition;
  const env: Environment = (variable) => environment(variable) || undefined; // "" is not set
  const url = source.options.url ?? env("TIDEMARK_SOURCE_URL");
  if (url === undefined || url === "") {
    throw new TidemarkError(
      "CONFIG_INVALID",
      "No source: set slot({ url }) or TIDEMARK_SOURCE_URL, " +
        'such as "postgresql://user@host/database".',
    );
  }
  const resultsUrl = definition.results.options.url ?? env("TIDEMARK_RESULTS_URL") ?? url;
  const ms = (value: Duration | undefined, variable: string, fallback: string): number =>
    parseDuration(value ?? env(variable) ?? fallback, variable);
  const slotName = source.options.slot ?? env("TIDEMARK_SLOT") ?? `tidemark_${name}`;
  const record = recordSettings(run.record, env);
  const walBudget = resolveWalBudget(run.walBudget, { env, slotName, isRecorded: record !== null });
  requirePossible(source, record !== null || (walBudget?.detour ?? null) !== null);
  return deepFreeze({
    pipeline: name,
    source: {
      url,
      slotName,
      publication: source.options.publication ?? env("TIDEMARK_PUBLICATION") ?? `tidemark_${name}`,
      mayCreatePublication: source.options.createPublication ?? true,
      walSenderTimeoutMs: ms(source.options.walSenderTimeout, "TIDEMARK_WAL_SENDER_TIMEOUT", "20s"),
      slotWaitMs: ms(source.options.slotWait, "TIDEMARK_SLOT_WAIT", "30s"),
      isStreaming: source.options.streaming ?? true,
      spillDirectory: source.options.spillDirectory ?? env("TIDEMARK_SPILL_DIRECTORY") ?? null,
      maxSpillBytes: source.options.maxSpillBytes ?? 16 * 2 ** 30,
      isBinary: source.options.binary ?? false,
      plugin: source.options.plugin ?? "pgoutput",
      parsers: source.options.parsers ?? {},
    },
    resultsUrl,
    probeAfterMs: ms(undefined, "TIDEMARK_PROBE_AFTER", "10s"),
    checkpoint: resolveCheckpoint(definition.checkpoint, {
      pipeline: name,
      url: env("TIDEMARK_CHECKPOINT_URL"),
      resultsUrl,
    }),
    run: {
      flushIntervalMs: ms(run.flushInterval, "TIDEMARK_FLUSH_INTERVAL", "100ms"),
      checkpointIntervalMs: ms(run.checkpointInterval, "TIDEMARK_CHECKPOINT_INTERVAL", "5s"),
      idleCheckpointIntervalMs: ms(
        run.idleCheckpointInterval,
        "TIDEMARK_IDLE_CHECKPOINT_INTERVAL",
        "10s",
      ),
      maxInFlightBytes: run.maxInFlightBytes ?? 64 * 2 ** 20,
      maxOutputBytes: run.maxOutputBytes ?? 16 * 2 ** 20,
      maxStateBytes: run.maxStateBytes ?? 2 ** 30,
      retryMinMs: ms(undefined, "TIDEMARK_RETRY_MIN", "500ms"),
      retryMaxMs: ms(undefined, "TIDEMARK_RETRY_MAX", "30s"),
      stopDeadlineMs: ms(undefined, "TIDEMARK_STOP_DEADLINE", "15s"),
    },
    record,
    walBudget,
  });
}

/** wal2json prints text alone, and recordings are cut at pgoutput's commits. */
function requirePossible({ options }: SlotSpec, isRecorded: boolean): void {
  if (options.plugin !== "wal2json" || (options.binary !== true && !isRecorded)) return;
  throw new TidemarkError(
    "CONFIG_INVALID",
    `slot({ plugin: "wal2json" }) cannot be had with ${isRecorded ? "a recording" : "binary"}: ` +
      "leave that out, or use pgoutput.",
    { detail: { option: "plugin" } },
  );
}

/** The recording that is asked for by `options` or by TIDEMARK_RECORD, a folder. */
function recordSettings(
  options: RecordOptions | undefined,
  env: Environment,
): RecordSettings | null {
  const dir = options?.dir ?? env("TIDEMARK_RECORD");
  if (dir === undefined) return null;
  const { compression, segmentBytes, maxBytes, maxAge } = options ?? {};
  return {
    dir: resolve(dir),
    codec: compression ?? "deflate",
    segmentBytes: segmentBytes ?? 64 * 2 ** 20,
    blockBytes: 256 * 1024,
    maxBytes: maxBytes ?? null,
    maxAgeMs: maxAge === undefined ? null : parseDuration(maxAge, "record.maxAge"),
  };
}

function deepFreeze<T extends object>(value: T): T {
  for (const part of Object.values(value)) {
    if (typeof part === "object" && part !== null) deepFreeze(part);
  }
  return Object.freeze(value);
}
