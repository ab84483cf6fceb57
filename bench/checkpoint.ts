// What a checkpoint costs: time, bytes, pauses, restore, and rows a second. See README.md.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type RedisServer, startRedis } from "../src/cli/embedded/redis-server.js";
import {
  checkpointTables,
  type Flow,
  intervalName,
  type StoreFigures,
} from "./checkpoint-tables.js";
import { type BenchDatabase, openDatabase, SETTINGS_SENTENCE } from "./database.js";
import type { BenchOptions } from "./options.js";
import type {
  CheckpointOrder,
  FlowReport,
  RestoreReport,
  SaveReport,
  StorePlace,
} from "./processes/order.js";
import { runProcess } from "./processes.js";
import { type BenchResult, describeMachine, progress, WrongResult, whole } from "./report.js";

const STORES = ["memory", "file", "postgres", "redis"] as const;
type StoreName = (typeof STORES)[number];

const DEFAULT_RUNS = 3;
const DEFAULT_SECONDS = 20;
/** Null is without checkpoints, against which the others are compared. */
const INTERVALS_MS = [null, 1000, 10_000] as const;

interface Bench {
  readonly db: BenchDatabase;
  readonly redis: RedisServer | null;
  readonly dir: string;
  readonly options: BenchOptions;
}

export async function checkpoint(options: BenchOptions): Promise<BenchResult> {
  const stores = chosen(options);
  const dir = mkdtempSync(join(tmpdir(), "tidemark-bench-"));
  const db = await openDatabase();
  let redis: RedisServer | null = null;
  try {
    if (stores.includes("redis")) redis = await openRedis();
    const bench: Bench = { db, redis, dir, options };
    const figures: StoreFigures[] = [];
    for (const store of stores) figures.push(await measure(bench, store));
    return {
      method: method(options, redis !== null),
      machine: await describeMachine(db.sql),
      tables: checkpointTables(figures, options.keys),
      figures: { keys: options.keys, stores: figures },
    };
  } finally {
    await Promise.all([db.close(), redis?.close()]);
    rmSync(dir, { recursive: true, force: true });
  }
}

function chosen({ only }: BenchOptions): StoreName[] {
  const unknown = only?.find((name) => !STORES.some((known) => known === name));
  if (unknown !== undefined) {
    throw new Error(`--only: there is no "${unknown}"; there are ${STORES.join(", ")}.`);
  }
  const isInstalled = hasRedis();
  if (!isInstalled) progress("No redis-server or valkey-server is installed; redis is left out.");
  return STORES.filter(
    (name) => (only === null || only.includes(name)) && (name !== "redis" || isInstalled),
  );
}

function hasRedis(): boolean {
  return ["redis-server", "valkey-server"].some(
    (command) => spawnSync(command, ["--version"], { stdio: "ignore" }).status === 0,
  );
}

/** With `always`, so that servers before 7.2, which lack WAITAOF, settle a checkpoint at once. */
function openRedis(): Promise<RedisServer> {
  progress("Starting Redis ...");
  return startRedis({ settings: { appendfsync: "always" } });
}

async function measure(bench: Bench, store: StoreName): Promise<StoreFigures> {
  const { keys, runs, seconds } = bench.options;
  const common = {
    store: placeOf(bench, store),
    keys,
    rounds: runs ?? DEFAULT_RUNS,
    seconds: seconds ?? DEFAULT_SECONDS,
  };
  progress(`${store}: checkpoints of ${whole(keys)} keys ...`);
  const save = await run<SaveReport>(bench, { ...common, task: "save", intervalMs: null });
  progress(`${store}: restore ...`);
  const restore =
    save.restored ??
    (await run<RestoreReport>(bench, { ...common, task: "restore", intervalMs: null }));
  const { rows, cents } = save.saved;
  const { found } = restore;
  if (found.rows !== rows || found.cents !== cents) {
    throw new WrongResult(
      `${store} restored ${found.rows} rows and ${found.cents} cents, saved were ${rows} rows ` +
        `and ${cents} cents.`,
    );
  }
  const flows: Flow[] = [];
  for (const intervalMs of bench.options.hasFlow ? INTERVALS_MS : []) {
    progress(`${store}: ${intervalName(intervalMs)}, ${common.seconds} s ...`);
    const report = await run<FlowReport>(bench, { ...common, task: "flow", intervalMs });
    flows.push({ intervalMs, report });
  }
  return { store, save, restore, flows };
}

function placeOf({ db, redis, dir }: Bench, store: StoreName): StorePlace {
  switch (store) {
    case "memory":
      return { kind: "memory" };
    case "file":
      return { kind: "file", dir };
    case "postgres":
      return { kind: "postgres", url: db.url };
    case "redis":
      if (redis === null) throw new Error("Redis was not started.");
      return { kind: "redis", url: redis.url };
  }
}

function run<Report>({ options }: Bench, order: CheckpointOrder): Promise<Report> {
  const { profileDir } = options;
  const nodeFlags = profileDir === null ? [] : ["--cpu-prof", "--cpu-prof-dir", profileDir];
  return runProcess<Report>({ script: "checkpoint", order, nodeFlags });
}

function method({ keys, profileDir }: BenchOptions, hasRedisServer: boolean): string[] {
  return [
    `count(*) and sum(numeric) by a bigint key, ${whole(keys)} keys. Session, checkpointer, ` +
      "engine, decoder and stores are the shipped ones; the source makes up inserts, 1,000 a " +
      "transaction, and hands a transaction over in each turn of the event loop, as fast as they " +
      "are taken; the sink drops the results. Each measurement in a fresh process.",
    "Full: every key changed since the checkpoint before; 1 %: one key in a hundred did, spread " +
      "evenly. Meanwhile rows of the same keys keep flowing. Times run from the barrier, the " +
      "commit that the checkpoint stands on.",
    "What was restored was compared with what was fed: rows and sum of amounts.",
    SETTINGS_SENTENCE,
    ...(hasRedisServer ? ["Redis on the same machine, append-only file, appendfsync always."] : []),
    ...(profileDir === null ? [] : ["The profiler was on: the figures mean less."]),
  ];
}
