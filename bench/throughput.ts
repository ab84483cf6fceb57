// One load, one recorded stretch of WAL, every consumer reads exactly that stretch. See README.md.
import { setTimeout as pause } from "node:timers/promises";
import { watchCpu } from "./cpu-watch.js";
import { type BenchDatabase, openDatabase, SETTINGS_SENTENCE } from "./database.js";
import { dropSlot } from "./live-pipeline.js";
import { loadEvents, ROWS_PER_TRANSACTION } from "./load.js";
import type { BenchOptions } from "./options.js";
import { findPgRecvlogical, type PgRecvlogical, runPgRecvlogical } from "./pg-recvlogical.js";
import { startPipeline } from "./pipeline-process.js";
import { createTableSql } from "./processes/events-table.js";
import type { PipelineOrder, ReaderOrder, ReaderReport } from "./processes/order.js";
import { runProcess } from "./processes.js";
import { type BenchResult, describeMachine, progress, WrongResult } from "./report.js";
import { throughputTables } from "./throughput-tables.js";
import { checkView } from "./view-check.js";

const TABLE = "public.events";
const PUBLICATION = "bench_events";
/** Made before the load and never read itself: every consumer reads a copy of it. */
const ORIGIN_SLOT = "bench_origin";
const DEFAULT_RUNS = 3;
/** The postmaster has the CPU time of a walsender only once it has taken note of its end. */
const REAP_MS = 50;

/** All rounds of one consumer. */
export interface ConsumerRounds {
  readonly consumer: ConsumerName;
  readonly rounds: Round[];
}

/** What a consumer reports, and what the rest of the machine did meanwhile. */
export interface Round extends ReaderReport {
  /** CPU time of the whole server during the run, in milliseconds. */
  readonly serverCpuMs: number;
  /** Cores that neither the consumer nor the server used but somebody else: noise. */
  readonly coresOfOthers: number;
}

export type ConsumerName = (typeof CONSUMERS)[number];

/** In the order in which the first round runs them. */
export const CONSUMERS = [
  "raw-paced",
  "raw-unpaced",
  "pg_recvlogical",
  "stock-parser",
  "decoder",
  "pipeline",
  "pipeline-all",
] as const;

/** What the consumers of one run share. */
interface Bench {
  readonly db: BenchDatabase;
  readonly rows: number;
  readonly recvlogical: PgRecvlogical | null;
  readonly nodeFlags: readonly string[];
  readonly afterLsn: string;
  readonly endLsn: string;
  readonly bytes: number;
}

export async function throughput(options: BenchOptions): Promise<BenchResult> {
  const db = await openDatabase();
  try {
    const bench = await prepare(db, options);
    const consumers = chosen(options, bench.recvlogical);
    const results = await runRounds(bench, consumers, options.runs ?? DEFAULT_RUNS);
    return {
      method: method(bench, options),
      machine: await describeMachine(db.sql),
      tables: throughputTables(results, bench.rows, bench.bytes),
      figures: { rows: bench.rows, bytes: bench.bytes, consumers: results },
    };
  } finally {
    await db.close();
  }
}

async function prepare(db: BenchDatabase, options: BenchOptions): Promise<Bench> {
  await db.sql(createTableSql(TABLE));
  await db.sql(`create publication ${PUBLICATION} for table ${TABLE}`);
  await db.sql("select pg_create_logical_replication_slot($1, 'pgoutput')", [ORIGIN_SLOT]);
  const { lastBeginLsn } = await loadEvents(db, TABLE, options.rows);
  const profile = options.profileDir;
  const unmeasured: Bench = {
    db,
    rows: options.rows,
    recvlogical: findPgRecvlogical(),
    nodeFlags: profile === null ? [] : ["--cpu-prof", "--cpu-prof-dir", profile],
    afterLsn: lastBeginLsn,
    endLsn: lastBeginLsn,
    bytes: 0,
  };
  progress("Reading once to warm the caches and to learn where the last transaction ends ...");
  const { endLsn, bytes } = await runOnce({ ...unmeasured, nodeFlags: [] }, "raw-paced", "warm");
  return { ...unmeasured, endLsn, bytes };
}

function chosen({ only }: BenchOptions, recvlogical: PgRecvlogical | null): ConsumerName[] {
  const unknown = only?.find((name) => !CONSUMERS.some((known) => known === name));
  if (unknown !== undefined) {
    throw new Error(`--only: there is no "${unknown}"; there are ${CONSUMERS.join(", ")}.`);
  }
  if (recvlogical === null) progress("pg_recvlogical is not installed and left out.");
  return CONSUMERS.filter(
    (name) =>
      (only === null || only.includes(name)) && (name !== "pg_recvlogical" || recvlogical !== null),
  );
}

/** Round by round, each round beginning with another consumer, so that none is always first. */
async function runRounds(
  bench: Bench,
  consumers: readonly ConsumerName[],
  runs: number,
): Promise<ConsumerRounds[]> {
  const results = consumers.map((consumer) => ({ consumer, rounds: [] as Round[] }));
  for (let round = 1; round <= runs; round++) {
    for (let i = 0; i < results.length; i++) {
      const result = results[(i + round - 1) % results.length];
      if (result === undefined) continue;
      const report = await runOnce(bench, result.consumer, `r${round}`);
      result.rounds.push(report);
      const rate = Math.round((report.rows / report.wallMs) * 1000);
      progress(`Round ${round} of ${runs}: ${result.consumer} ${rate} rows/s`);
    }
  }
  return results;
}

/** One consumer over a fresh copy of the slot. Throws WrongResult unless it got every row. */
async function runOnce(bench: Bench, consumer: ConsumerName, tag: string): Promise<Round> {
  const { sql } = bench.db;
  const slotName = `bench_${consumer.replaceAll("-", "_")}_${tag}`;
  await sql("select pg_copy_logical_replication_slot($1, $2)", [ORIGIN_SLOT, slotName]);
  const stopWatch = watchCpu(bench.db.dataDir);
  const report = await consume(bench, consumer, slotName);
  await dropSlot(sql, slotName);
  await pause(REAP_MS);
  const { wallMs, serverMs, machineMs } = stopWatch();
  if (report.rows !== bench.rows) {
    throw new WrongResult(`${consumer} got ${report.rows} rows, not ${bench.rows}.`);
  }
  if (consumer.startsWith("pipeline")) {
    await checkView({ source: sql, results: sql, table: TABLE, view: slotName });
  }
  await sql("checkpoint");
  const othersMs = machineMs - serverMs - report.userMs - report.systemMs;
  return { ...report, serverCpuMs: serverMs, coresOfOthers: Math.max(0, othersMs / wallMs) };
}

async function consume(
  bench: Bench,
  consumer: ConsumerName,
  slotName: string,
): Promise<ReaderReport> {
  const { db, afterLsn, endLsn, nodeFlags } = bench;
  const common = { url: db.url, slotName, publication: PUBLICATION };
  const reader: ReaderOrder = { ...common, afterLsn, pace: consumer !== "raw-unpaced" };
  switch (consumer) {
    case "raw-paced":
    case "raw-unpaced":
      return runProcess({ script: "raw-reader", order: reader, nodeFlags });
    case "stock-parser":
    case "decoder":
      return runProcess({ script: consumer, order: reader, nodeFlags });
    case "pg_recvlogical": {
      if (bench.recvlogical === null) throw new Error("pg_recvlogical is not installed.");
      const measured = await runPgRecvlogical(bench.recvlogical, { ...common, endLsn });
      return { ...measured, rows: await confirmedRows(bench, slotName), bytes: bench.bytes };
    }
    default: {
      const order: PipelineOrder = {
        ...common,
        ...{ resultsUrl: null, pipeline: slotName, table: TABLE, view: slotName, endLsn },
        touchAll: consumer === "pipeline-all",
      };
      return (await startPipeline(order, nodeFlags)).report();
    }
  }
}

/** pg_recvlogical counts nothing, but it confirms to the slot what it has got. */
async function confirmedRows({ db, rows, endLsn }: Bench, slotName: string): Promise<number> {
  for (;;) {
    const [slot] = await db.sql(
      `select active, confirmed_flush_lsn >= $2::pg_lsn as done from pg_replication_slots
       where slot_name = $1`,
      [slotName, endLsn],
    );
    if (slot?.["active"] !== true) return slot?.["done"] === true ? rows : 0;
    await pause(REAP_MS);
  }
}

function method(bench: Bench, options: BenchOptions): string[] {
  const { recvlogical, rows, bytes } = bench;
  return [
    `${rows} inserts in ${rows / ROWS_PER_TRANSACTION} transactions of ${ROWS_PER_TRANSACTION}; ` +
      `${(bytes / 2 ** 20).toFixed(1)} MiB of pgoutput, protocol 1, text.`,
    SETTINGS_SENTENCE,
    "One slot was made before the load; each consumer in each round reads its own copy of it, so " +
      "that all read the same WAL, one after another. After every run a Postgres CHECKPOINT.",
    "Clocks run from the first row received to the end of the last transaction received; for the " +
      "pipelines from the start of reading until all is visible in the view, which was compared " +
      "with the source's own query (EXCEPT both ways); for pg_recvlogical from start to exit.",
    "CPU and peak RSS are those of the client process alone; the server's CPU time (all its " +
      "processes, where the system tells it) has a column of its own. Others: cores that neither " +
      "used but somebody else did, the consumer's own start included; much above 0.1 is noise.",
    recvlogical === null ? "pg_recvlogical is not installed." : `${recvlogical.version}.`,
    ...(options.profileDir === null ? [] : ["The profiler was on: the figures mean less."]),
  ];
}
