import type { Logger } from "pino";
import { pgoutput } from "../../decoders/pgoutput/pgoutput-factory.js";
import { TidemarkError } from "../core/errors.js";
import { formatLsn } from "../core/lsn.js";
import type { PipelineDefinition } from "../index.js";
import { kindsOf, tablesOf } from "../pipeline/plan.js";
import { resolveSettings, type Settings } from "../pipeline/settings.js";
import { Recorder } from "../source/recording/recorder.js";
import { readRecordingEnd } from "../source/recording/recording-end.js";
import type { RecordingOptions } from "../source/recording/recording-writer.js";
import { SlotSource } from "../source/slot-source.js";
import { systemClock } from "../source/system-clock.js";
import { environment } from "./environment.js";
import { scrub } from "./logger.js";
import { onStopSignal } from "./run.js";

/** Options of `tidemark record`. */
export interface RecordCommandOptions {
  readonly dir?: string | undefined;
  readonly slot?: string | undefined;
}

const SYNC_INTERVAL_MS = 1_000;
const WATCH_INTERVAL_MS = 30_000;

/** Records until SIGTERM or SIGINT; goes on where the recording ends. */
export async function recordCommand(
  definition: PipelineDefinition,
  log: Logger,
  options: RecordCommandOptions,
): Promise<void> {
  const settings = withFolder(definition, options.dir);
  const { record, run } = settings;
  const slotName = options.slot ?? `${settings.source.slotName}_record`;
  const tables = tablesOf(definition.plan);
  const { publication } = settings.source;
  const source = new SlotSource({
    ...settings.source,
    slotName,
    tables,
    kinds: kindsOf(definition.plan),
    mayAdoptSlot: true, // a recording without a beginning begins where its slot stands
    watchIntervalMs: WATCH_INTERVAL_MS,
    decoder: pgoutput,
    record,
  });
  const recorder = new Recorder({
    source,
    readEnd: () => readRecordingEnd(record.dir),
    clock: systemClock,
    random: Math.random,
    syncIntervalMs: SYNC_INTERVAL_MS,
    idleIntervalMs: run.idleCheckpointIntervalMs,
    retry: { minMs: run.retryMinMs, maxMs: run.retryMaxMs },
    onRetry: (error, delayMs) => {
      const facts = { code: error.code, retryInMs: Math.round(delayMs) };
      log.warn(facts, scrub(error.message));
    },
    onRecording: ({ lsn }) => log.info({ dir: record.dir, from: formatLsn(lsn) }, "recording"),
  });
  log.info({ pipeline: definition.name, slot: slotName, publication }, "starting");
  const release = onStopSignal((signal) => {
    log.info({ signal }, "stopping");
    void recorder.stop();
  });
  try {
    await recorder.run();
    const { transactions, receivedLsn } = recorder;
    log.info({ transactions, end: formatLsn(receivedLsn) }, "stopped");
  } catch (error) {
    throw inWordsOfRecording(error);
  } finally {
    release();
  }
}

function withFolder(
  definition: PipelineDefinition,
  dir: string | undefined,
): Settings & { readonly record: RecordingOptions } {
  const { run } = definition;
  const recorded = dir === undefined ? run : { ...run, record: { ...run.record, dir } };
  const settings = resolveSettings({ ...definition, run: recorded }, environment);
  const { record } = settings;
  if (record !== null) return { ...settings, record };
  throw new TidemarkError(
    "CONFIG_INVALID",
    "There is no folder to record into: give --dir, the option record or TIDEMARK_RECORD.",
  );
}

/** A slot is judged against the recording as if it were a checkpoint; the remedy is another one. */
function inWordsOfRecording(error: unknown): unknown {
  const isGap =
    error instanceof TidemarkError && ["SLOT_MISSING", "SLOT_AHEAD"].includes(error.code);
  if (!isGap) return error;
  return new TidemarkError(
    "RECORDING_GAP",
    "The slot of this recording was dropped, advanced or made anew, and what comes after the " +
      "recording's end can no longer be had from it. Record into another folder.",
    { cause: error, detail: error.detail },
  );
}
