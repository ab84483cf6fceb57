import { pgoutput } from "../../../decoders/pgoutput/pgoutput-factory.js";
import { JsonLinesSink } from "../../../sinks/json-lines/json-lines-sink.js";
import { TidemarkError } from "../../core/errors.js";
import { formatLsn, type Lsn } from "../../core/lsn.js";
import type { ChangeSource } from "../../core/source.js";
import type { PipelineDefinition } from "../../index.js";
import { kindsOf, tablesOf } from "../../pipeline/plan.js";
import {
  type ReplayOutcome,
  type ReplayParts,
  type ReplayRange,
  replay,
} from "../../pipeline/replay.js";
import { resolveSettings, type Settings } from "../../pipeline/settings.js";
import { BookmarkSource } from "../../source/bookmark-source.js";
import { type RecordedRange, RecordingSource } from "../../source/recording/recording-source.js";
import { environment } from "../environment.js";
import type { Comparison } from "./compare-results.js";
import { parseBound } from "./replay-bound.js";
import { replayIntoDatabase, resultsPosition } from "./replay-into-database.js";

/** Options of `tidemark replay`. */
export interface ReplayOptions {
  readonly from?: string | undefined;
  readonly to?: string | undefined;
  readonly recording?: string | undefined;
  readonly bookmark?: string | undefined;
  /** A schema, or `stdout`; absent compares and leaves nothing. */
  readonly into?: string | undefined;
  /** Compare all rows, not only those that depend on nothing but the range. */
  readonly all: boolean;
  readonly maxExamples: number;
}

/** What `tidemark replay` has to say. */
export interface ReplayReport {
  readonly source: string;
  readonly outcome: ReplayOutcome;
  /** Where the results are; null when they were only compared or printed. */
  readonly schema: string | null;
  /** Null when the results went to stdout. */
  readonly comparisons: readonly Comparison[] | null;
  /** Schemas that killed replays had left, and that were dropped. */
  readonly leftovers: readonly string[];
}

/** Something that can be replayed. */
interface Replayable extends ChangeSource {
  range(): Promise<RecordedRange>;
  lsnAtTime?(ms: number): Promise<Lsn>;
}

const WATCH_INTERVAL_MS = 30_000;
const WRITE_EVERY_BYTES = 32 * 2 ** 20;

/** Runs the pipeline over a recording or from a bookmark, beside the results that exist. */
export async function replayCommand(
  definition: PipelineDefinition,
  options: ReplayOptions,
): Promise<ReplayReport> {
  const settings = resolveSettings(definition, environment);
  const { source, name } = openSource(definition, settings, options);
  const parts: Omit<ReplayParts, "sink"> = {
    plan: definition.plan,
    source,
    range: await resolveRange(source, options, settings),
    hasRecordedIdles: options.bookmark === undefined,
    maxStateBytes: settings.run.maxStateBytes,
    writeEveryBytes: WRITE_EVERY_BYTES,
  };
  if (options.into === "stdout") {
    const outcome = await replay({ ...parts, sink: new JsonLinesSink(print) });
    return { source: name, outcome, schema: null, comparisons: null, leftovers: [] };
  }
  const report = await replayIntoDatabase(parts, settings, {
    schema: options.into ?? null,
    all: options.all,
    maxExamples: options.maxExamples,
  });
  return { source: name, ...report };
}

function openSource(
  { plan }: PipelineDefinition,
  settings: Settings,
  options: ReplayOptions,
): { source: Replayable; name: string } {
  const { bookmark } = options;
  const dir = options.recording ?? settings.record?.dir;
  if (bookmark !== undefined && options.recording !== undefined) {
    throw new TidemarkError("CONFIG_INVALID", "Give --recording or --bookmark, not both.");
  }
  if (bookmark !== undefined) {
    const source = new BookmarkSource({
      ...settings.source,
      pipeline: settings.pipeline,
      name: bookmark,
      tables: tablesOf(plan),
      kinds: kindsOf(plan),
      watchIntervalMs: WATCH_INTERVAL_MS,
      decoder: pgoutput,
    });
    return { source, name: `bookmark ${bookmark}` };
  }
  if (dir === undefined) {
    throw new TidemarkError(
      "CONFIG_INVALID",
      "There is nothing to replay: name a recording with --recording or TIDEMARK_RECORD, or a " +
        "bookmark with --bookmark.",
    );
  }
  return { source: new RecordingSource(dir, pgoutput), name: `recording ${dir}` };
}

/**
 * From the beginning of what there is to its end, or to where the results stand if that is inside,
 * unless the options say otherwise.
 */
async function resolveRange(
  source: Replayable,
  options: ReplayOptions,
  settings: Settings,
): Promise<ReplayRange> {
  const available = await source.range();
  const { systemId, timeline, startLsn, endLsn } = available;
  const from = options.from === undefined ? null : parseBound("--from", options.from);
  const to = options.to === undefined ? null : parseBound("--to", options.to);
  for (const bound of [from, to]) {
    if (bound?.kind === "lsn" && (bound.lsn < startLsn || bound.lsn > endLsn)) {
      throw outOfRange(bound.lsn, available);
    }
  }
  const fromLsn =
    from?.kind === "lsn"
      ? from.lsn
      : from?.kind === "time" && source.lsnAtTime !== undefined
        ? await source.lsnAtTime(from.ms)
        : startLsn;
  const standing = options.into === "stdout" ? null : await resultsPosition(settings);
  const isInside = standing !== null && standing > fromLsn && standing < endLsn;
  return {
    from: { systemId, timeline, lsn: fromLsn },
    fromMs: from?.kind === "time" ? from.ms : null,
    to: to?.kind === "lsn" ? to.lsn : to === null && isInside ? standing : endLsn,
    toMs: to?.kind === "time" ? to.ms : null,
  };
}

function outOfRange(lsn: Lsn, { startLsn, endLsn }: RecordedRange): TidemarkError {
  return new TidemarkError(
    "RECORDING_RANGE",
    `${formatLsn(lsn)} is not in the range that can be replayed, ${formatLsn(startLsn)} to ` +
      `${formatLsn(endLsn)}. Choose a position inside.`,
    { detail: { start: formatLsn(startLsn), end: formatLsn(endLsn) } },
  );
}

function print(lines: string): Promise<void> {
  return new Promise((resolve, reject) => {
    process.stdout.write(lines, (error) => (error ? reject(error) : resolve()));
  });
}
