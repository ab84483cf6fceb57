// A pipeline over a generated stream whose checkpoints are measured: count and sum by a bigint key.
import { MemoryCheckpoint, MemoryCheckpointStore } from "../../src/checkpoint/memory-store.js";
import type { CheckpointStore } from "../../src/core/checkpoint-store.js";
import {
  checkpointStore,
  count,
  file,
  type Numeric,
  pipeline,
  postgres,
  redis,
  sum,
} from "../../src/index.js";
import { Runtime } from "../../src/pipeline/runtime.js";
import { resolveSettings } from "../../src/pipeline/settings.js";
import { slot } from "../../src/pipeline/specs.js";
import { CheckpointProbe } from "./checkpoint-probe.js";
import { GeneratedSource, TABLE } from "./generated-source.js";
import { Meter } from "./meter.js";
import {
  answerAndExit,
  type CheckpointFigures,
  type CheckpointOrder,
  type FlowReport,
  type RestoreReport,
  readOrder,
  type SaveReport,
} from "./order.js";

/** Results are collected this often while pauses are measured; see README.md. */
const SHORT_FLUSH_MS = 5;
const FLUSH_MS = 100;
const WARM_UP_MS = 2000;
/** One key in so many is dirty after the smaller changes. */
const SOME = 100;
const MAX_STATE_BYTES = 64 * 2 ** 30;

const order = readOrder<CheckpointOrder>();
const { keys, store: place } = order;
const memory = new MemoryCheckpoint();
const name = order.task === "flow" ? `flow_${order.intervalMs ?? "none"}` : "saves";

const definition = pipeline<Record<string, { id: bigint; amount: Numeric }>>(
  `bench_${name}`,
  {
    source: slot({ url: "postgresql://nowhere" }),
    ...(place.kind === "file" ? { checkpoint: file({ dir: place.dir }) } : {}),
    ...(place.kind === "redis" ? { checkpoint: redis({ url: place.url }) } : {}),
    ...(place.kind === "postgres" ? { checkpoint: postgres({ url: place.url }) } : {}),
  },
  (from) => {
    from(TABLE, { appendOnly: true })
      .groupBy("id")
      .aggregate({ rows: count(), amount: sum("amount") })
      .into(postgres.view("totals"));
  },
);
const settings = resolveSettings(definition, () => undefined);

const tasks = { save, restore: restoreOnce, flow };
tasks[order.task]().then(answerAndExit, fail);

/** A running pipeline and its ends. */
interface Running {
  readonly source: GeneratedSource;
  readonly probe: CheckpointProbe;
  /** From the store's first answer until the first read could begin. */
  readonly openMs: number;
  stop(): Promise<void>;
}

interface RunOptions {
  readonly flushIntervalMs: number;
  readonly areResultsEmpty?: boolean;
}

async function run({ flushIntervalMs, areResultsEmpty = false }: RunOptions): Promise<Running> {
  const source = new GeneratedSource();
  source.nextKey = sequence(keys);
  const { intervalMs } = order;
  const probe = new CheckpointProbe(source, { intervalMs, areResultsEmpty });
  let onRunning = (): void => {};
  const reads = new Promise<void>((resolve) => {
    onRunning = resolve;
  });
  const runtime = new Runtime({
    plan: definition.plan,
    settings: {
      ...settings.run,
      ...{ flushIntervalMs, maxStateBytes: MAX_STATE_BYTES },
      get checkpointIntervalMs() {
        return probe.intervalMs;
      },
      get idleCheckpointIntervalMs() {
        return probe.intervalMs;
      },
    },
    source,
    openSink: () => probe.sink(),
    openStore: () => probe.around(openStore()),
    clock: probe.clock(),
    random: Math.random,
    onRetry: fail,
    onRunning: () => onRunning(),
  });
  const done = runtime.run();
  done.catch(fail);
  await reads;
  const openMs = performance.now() - probe.loadBeganMs;
  const stop = async (): Promise<void> => {
    await runtime.stop();
    await done;
  };
  return { source, probe, openMs, stop };
}

function openStore(): CheckpointStore {
  return place.kind === "memory" ? new MemoryCheckpointStore(memory) : checkpointStore(settings);
}

async function save(): Promise<SaveReport> {
  const { source, probe, stop } = await run({ flushIntervalMs: SHORT_FLUSH_MS });
  const some = Math.max(1, Math.floor(keys / SOME));
  const touch = async (count: number, nextKey: () => number): Promise<void> => {
    const { rows } = source.fed;
    source.nextKey = nextKey;
    await source.until(() => source.fed.rows >= rows + count);
  };
  const rounds = async (count: number, nextKey: () => number): Promise<CheckpointFigures[]> => {
    const figures: CheckpointFigures[] = [];
    while (figures.length < order.rounds) {
      await touch(count, nextKey);
      figures.push(await probe.take(figures.at(-1)?.settledMs ?? 0));
    }
    return figures;
  };
  await touch(keys, sequence(keys));
  // Otherwise not measured: it waits for the compiler, too.
  const first = await probe.take(0);
  const full = order.rounds === 1 ? [first] : await rounds(keys, sequence(keys));
  // The keys of before are dirty still; a checkpoint that is not measured has them.
  await touch(some, sequence(some, SOME));
  await probe.take(0);
  const few = await rounds(some, sequence(some, SOME));
  await stop();
  const restored = place.kind === "memory" ? await restore() : null;
  return { full, some: few, saved: probe.savedRows, restored };
}

async function restoreOnce(): Promise<RestoreReport> {
  const report = await restore();
  await forget();
  return report;
}

/** Loads twice: timed, then with results that are empty, so that all of the state is written. */
async function restore(): Promise<RestoreReport> {
  const check = await run({ flushIntervalMs: FLUSH_MS, areResultsEmpty: true });
  const found = check.probe.written ?? { rows: 0, cents: 0 };
  await check.stop();
  const timed = await run({ flushIntervalMs: FLUSH_MS });
  await timed.stop();
  return { loadMs: timed.probe.loadMs, totalMs: timed.openMs, found };
}

async function flow(): Promise<FlowReport> {
  const { source, probe, stop } = await run({ flushIntervalMs: FLUSH_MS });
  await source.until(() => source.fed.rows >= keys);
  source.nextKey = scattered(keys);
  await lasting(source, WARM_UP_MS);
  const meter = new Meter();
  meter.begin();
  const { rows } = source.fed;
  const { saved } = probe;
  const { generatingMs } = source;
  await lasting(source, order.seconds * 1000);
  const measured = meter.report({ rows: source.fed.rows - rows, bytes: 0, endLsn: "0/0" });
  const report: FlowReport = {
    rows: measured.rows,
    wallMs: measured.wallMs,
    cpuMs: measured.userMs + measured.systemMs,
    generatingMs: source.generatingMs - generatingMs,
    checkpoints: probe.saved - saved,
    peakRssMiB: measured.peakRssMiB,
  };
  await stop();
  await forget();
  return report;
}

function lasting(source: GeneratedSource, ms: number): Promise<void> {
  const endMs = performance.now() + ms;
  return source.until(() => performance.now() >= endMs);
}

async function forget(): Promise<void> {
  const store = openStore();
  await store.open();
  await store.reset();
  await store.close();
}

/** 0, step, 2 * step and so on, `count` keys, again and again. */
function sequence(count: number, step = 1): () => number {
  let next = 0;
  return () => {
    const key = next * step;
    next = next + 1 === count ? 0 : next + 1;
    return key;
  };
}

/** Keys below `count` in no order, the same ones each time (xorshift32). */
function scattered(count: number): () => number {
  let state = 0x9e3779b9;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % count;
  };
}

/** A benchmark must not measure restarts: the first failure ends it. */
function fail(error: unknown): void {
  console.error(error);
  process.exit(1);
}
