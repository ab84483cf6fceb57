import { pgoutputWith } from "../decoders/pgoutput/pgoutput-factory.js";
import { wal2jsonWith } from "../decoders/wal2json/wal2json-factory.js";
import { PostgresSink } from "../sinks/postgres/postgres-sink.js";
import { PostgresStateBoard } from "../sinks/postgres/run-state-table.js";
import { CheckpointFolder } from "./checkpoint/file/checkpoint-folder.js";
import { FileCheckpointStore } from "./checkpoint/file/file-store.js";
import { PostgresCheckpointStore } from "./checkpoint/postgres-store.js";
import { redisConnect } from "./checkpoint/redis/redis-client.js";
import { RedisCheckpointStore } from "./checkpoint/redis/redis-store.js";
import type { CheckpointStore } from "./core/checkpoint-store.js";
import type { TidemarkError } from "./core/errors.js";
import { type Failpoint, NO_FAILPOINT } from "./core/failpoint.js";
import type { RunStateName } from "./core/run-state.js";
import type { PipelineDefinition } from "./pipeline/builder.js";
import type { RedisSettings } from "./pipeline/checkpoint-settings.js";
import { armFailpoints, type FaultEffects } from "./pipeline/failpoints.js";
import type { RestoredState } from "./pipeline/fit-state.js";
import {
  copiedTables,
  emptyTables,
  kindsOf,
  outputTablesOf,
  readsValuesOnly,
  tablesOf,
} from "./pipeline/plan.js";
import { type RestoredAt, Runtime } from "./pipeline/runtime.js";
import { type Environment, resolveSettings, type Settings } from "./pipeline/settings.js";
import type { RunStatus } from "./pipeline/status.js";
import type { BudgetEvent, DetourStatus } from "./source/detour/budget-event.js";
import { BudgetedSource } from "./source/detour/budgeted-source.js";
import { SlotSource, type SlotSourceOptions } from "./source/slot-source.js";
import { sqlConnect } from "./source/sql-client.js";
import { systemClock } from "./source/system-clock.js";

export { lowerBoundsOf } from "./core/array-bounds.js";
export { CalendarDate } from "./core/calendar-date.js";
export type { Change } from "./core/change.js";
export type { Duration } from "./core/duration.js";
export type { ErrorCode, ErrorDomain, RetryHint } from "./core/error-codes.js";
export { TidemarkError } from "./core/errors.js";
export { Interval } from "./core/interval.js";
export { formatLsn, type Lsn, parseLsn } from "./core/lsn.js";
export { Numeric } from "./core/numeric.js";
export { Range } from "./core/range.js";
export type { RunStateName } from "./core/run-state.js";
export { TimeOfDay } from "./core/time-of-day.js";
export { Timestamp } from "./core/timestamp.js";
export { UNCHANGED } from "./core/unchanged.js";
export { type SqlParameter, type SqlText, sql } from "./expression/sql-text.js";
export type { UserAggregate } from "./operators/window/aggregates/user-aggregate.js";
export {
  type AccuracyOptions,
  type AggregateFor,
  type AggregateOptions,
  type AggregateSpec,
  approxCountDistinct,
  approxPercentile,
  argMax,
  argMin,
  arrayAgg,
  avg,
  boolAnd,
  boolOr,
  count,
  countDistinct,
  first,
  jsonbAgg,
  last,
  max,
  min,
  type OrderOptions,
  percentileCont,
  percentileDisc,
  stddevPop,
  stddevSamp,
  stringAgg,
  sum,
  top,
  userAggregate,
  varPop,
  varSamp,
} from "./pipeline/aggregate-specs.js";
export {
  type AppendOptions,
  type Changes,
  defineConfig,
  type From,
  type FromOptions,
  type PipelineDefinition,
  type PipelineOptions,
  type PoisonOptions,
  pipeline,
  postgres,
  type Stream,
  type TidemarkConfig,
  type ViewOptions,
  type WindowOptions,
} from "./pipeline/builder.js";
export {
  type FileOptions,
  file,
  type RedisOptions,
  redis,
} from "./pipeline/checkpoint-settings.js";
export { describePlan } from "./pipeline/describe.js";
export type {
  Choice,
  Keyed,
  MatchOptions,
  MatchOutputs,
  Selected,
} from "./pipeline/match-builder.js";
export { type Matched, Pattern, pattern, type StepCondition } from "./pipeline/pattern-builder.js";
export type { Plan, PlanNode } from "./pipeline/plan.js";
export type { ChangeOf, Published, RowOf } from "./pipeline/published.js";
export type { Settings } from "./pipeline/settings.js";
export {
  type PostgresOptions,
  parser,
  type RecordOptions,
  type SlotOptions,
  slot,
  type WalBudgetOptions,
  type WalDetourOptions,
} from "./pipeline/specs.js";
export type { RunStatus } from "./pipeline/status.js";
export {
  cumulating,
  hopping,
  session,
  sliding,
  tumbling,
  type WindowSpec,
} from "./pipeline/window-specs.js";
export type { BudgetEvent, DetourStatus } from "./source/detour/budget-event.js";

/** How {@link start} runs a pipeline. */
export interface StartOptions {
  /** Where options that the definition leaves open are looked up. Default: process.env. */
  readonly env?: Environment;
  /** Begin at the position of a slot that exists although there is no checkpoint. */
  readonly adoptSlot?: boolean;
  /** Told about failures that are tried again. */
  readonly onRetry?: (error: TidemarkError, delayMs: number) => void;
  /** Told why a damaged checkpoint was passed over; the one before it stands in. */
  readonly onPassedOver?: (reason: TidemarkError) => void;
  /**
   * Drop saved state of steps that no longer exist or were changed, instead of refusing to start.
   * Their views are emptied and count from then on.
   */
  readonly allowDropState?: boolean;
  /**
   * Make slot, state and results anew from a copy of the tables, whatever there is. Throws
   * REBUILD_REFUSED where that is not enough.
   */
  readonly rebuild?: boolean;
  /** Told when outputs begin without state, and what was dropped. */
  readonly onRestored?: (restored: RestoredState, at: RestoredAt) => void;
  /** Told when the rows that the tables held before the slot begin to be copied. */
  readonly onCopying?: (status: RunStatus) => void;
  /** Told whenever a checkpoint has been loaded and reading begins. */
  readonly onRunning?: (status: RunStatus) => void;
  /** Told what is done about WAL that the slot keeps; see the option walBudget. */
  readonly onBudget?: (event: BudgetEvent) => void;
}

/** A pipeline that runs. */
export interface RunningPipeline {
  readonly settings: Settings;
  /** RUNNING, RETRYING and so on: see docs/states.md. */
  readonly state: RunStateName;
  /** What the current connection has done; null before it reads. */
  readonly status: RunStatus | null;
  /** The detour that the stream takes; null while the slot is read. */
  readonly detour: DetourStatus | null;
  /** Settles when the pipeline is over: fulfilled after `stop`, rejected with what ended it. */
  readonly done: Promise<void>;
  /** Finishes the transaction being received, saves, acknowledges and closes. */
  stop(): Promise<void>;
}

/** What armed failpoints do to this process; never reached without them. */
const FAULTS: FaultEffects = {
  kill: () => process.kill(process.pid, "SIGKILL"),
  freeze: (ms) => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms),
  wait: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),
};

/** How often a running stream looks whether its publication still has its tables. */
const WATCH_INTERVAL_MS = 30_000;

/** Starts a pipeline in this process. Throws CONFIG_INVALID at once if a setting is missing. */
export function start(definition: PipelineDefinition, options: StartOptions = {}): RunningPipeline {
  const environment = options.env ?? ((name) => process.env[name]);
  const settings = resolveSettings(definition, environment);
  const failpoint = armFailpoints(environment, FAULTS);
  const { detour, ...parts } = open(definition, settings, {
    mayAdoptSlot: options.adoptSlot ?? false,
    failpoint,
    onBudget: options.onBudget ?? (() => {}),
  });
  const runtime = new Runtime({
    plan: definition.plan,
    settings: settings.run,
    ...parts,
    failpoint,
    clock: systemClock,
    random: Math.random,
    onRetry: options.onRetry ?? (() => {}),
    onPassedOver: options.onPassedOver ?? (() => {}),
    mayDropState: options.allowDropState ?? false,
    rebuilds: options.rebuild ?? false,
    onRestored: options.onRestored ?? (() => {}),
    onCopying: options.onCopying ?? (() => {}),
    onRunning: options.onRunning ?? (() => {}),
  });
  const done = runtime.run();
  done.catch(() => {}); // the caller has `done`; a late listener is no unhandled rejection
  return {
    settings,
    get state() {
      return runtime.state;
    },
    get status() {
      return runtime.status;
    },
    get detour() {
      return detour();
    },
    done,
    async stop() {
      await runtime.stop();
      await done.catch(() => {}); // reported through `done`
    },
  };
}

/**
 * Removes everything that a pipeline has made except its publication: slot, checkpoint, progress
 * and result tables. The next start begins from nothing.
 */
export async function reset(
  definition: PipelineDefinition,
  env: Environment = (name) => process.env[name],
): Promise<void> {
  const { source, openSink, openStore } = open(definition, resolveSettings(definition, env), {
    mayAdoptSlot: false,
    failpoint: NO_FAILPOINT,
    onBudget: () => {},
  });
  await source.reset();
  const store = openStore();
  const sink = openSink();
  try {
    await store.open();
    await store.reset();
    await sink.open();
    await sink.reset(outputTablesOf(definition.plan));
  } finally {
    await Promise.all([store.close(), sink.close()]);
  }
}

interface OpenOptions {
  readonly mayAdoptSlot: boolean;
  readonly failpoint: Failpoint;
  readonly onBudget: (event: BudgetEvent) => void;
}

function open(
  definition: PipelineDefinition,
  settings: Settings,
  { mayAdoptSlot, failpoint, onBudget }: OpenOptions,
) {
  const { name, plan } = definition;
  const applicationName = `tidemark ${name}`;
  // A detour is a recording, and recordings have text.
  const mayBeBinary = readsValuesOnly(plan) && (settings.walBudget?.detour ?? null) === null;
  const slotOptions: SlotSourceOptions = {
    ...settings.source,
    tables: tablesOf(plan),
    kinds: kindsOf(plan),
    copiedTables: copiedTables(plan),
    emptyTables: emptyTables(plan),
    record: settings.record,
    mayAdoptSlot,
    watchIntervalMs: WATCH_INTERVAL_MS,
    isBinary: settings.source.isBinary && mayBeBinary,
    decoder: (settings.source.plugin === "wal2json" ? wal2jsonWith : pgoutputWith)(
      settings.source.parsers,
    ),
  };
  const budgeted = budgetedSource(settings, slotOptions, onBudget);
  const results = sqlConnect({
    url: settings.resultsUrl,
    role: "results",
    applicationName: `${applicationName} results`,
    probeAfterMs: settings.probeAfterMs,
  });
  return {
    source: budgeted ?? new SlotSource(slotOptions),
    detour: () => budgeted?.detour ?? null,
    board: new PostgresStateBoard(results, name),
    openSink: () => new PostgresSink(results, name, failpoint),
    openStore: () => checkpointStore(settings, failpoint),
  };
}

/** The slot under the budget that the settings give it; null for none. */
function budgetedSource(
  { walBudget, run }: Settings,
  source: SlotSourceOptions,
  onEvent: (event: BudgetEvent) => void,
): BudgetedSource | null {
  if (walBudget === null) return null;
  const { bytes, patienceMs, detour } = walBudget;
  return new BudgetedSource({
    source,
    budgetBytes: bytes,
    patienceMs,
    detour,
    clock: systemClock,
    random: Math.random,
    idleIntervalMs: run.idleCheckpointIntervalMs,
    retry: { minMs: run.retryMinMs, maxMs: run.retryMaxMs },
    onEvent,
  });
}

/** The store that the settings name, not opened. For the command line. */
export function checkpointStore(
  { pipeline: name, checkpoint, probeAfterMs }: Settings,
  failpoint: Failpoint = NO_FAILPOINT,
): CheckpointStore {
  switch (checkpoint.kind) {
    case "postgres": {
      const { url } = checkpoint;
      const applicationName = `tidemark ${name} checkpoint`;
      const connect = sqlConnect({ url, role: "checkpoint", applicationName, probeAfterMs });
      return new PostgresCheckpointStore(connect, name, failpoint);
    }
    case "file":
      return new FileCheckpointStore(new CheckpointFolder(checkpoint.dir), name, failpoint);
    case "redis":
      return redisStore(name, checkpoint, failpoint);
  }
}

/** The store in this Redis, not opened. For the command line. */
export function redisStore(
  pipeline: string,
  settings: RedisSettings,
  failpoint: Failpoint = NO_FAILPOINT,
): RedisCheckpointStore {
  const { durability, replicas, commandTimeoutMs, delayMs, prefix } = settings;
  return new RedisCheckpointStore({
    connect: redisConnect({ ...settings, connectionName: `tidemark ${pipeline} checkpoint` }),
    pipeline,
    prefix,
    wish: { durability, replicas },
    delayMs,
    waitMs: Math.ceil(commandTimeoutMs / 2),
    clock: systemClock,
    failpoint,
  });
}
