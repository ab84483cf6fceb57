// What recording costs a pipeline, what it takes on disk, and how fast it is read. See README.md.
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type BenchDatabase, openDatabase, SETTINGS_SENTENCE } from "./database.js";
import { dropSlot } from "./live-pipeline.js";
import { loadEvents } from "./load.js";
import type { BenchOptions } from "./options.js";
import { startPipeline } from "./pipeline-process.js";
import { createTableSql } from "./processes/events-table.js";
import type { PipelineOrder, ReaderOrder, ReaderReport, ReplayerOrder } from "./processes/order.js";
import { median } from "./processes/statistics.js";
import { runProcess } from "./processes.js";
import {
  type BenchResult,
  describeMachine,
  fixed,
  progress,
  type Table,
  WrongResult,
  whole,
} from "./report.js";
import { checkView } from "./view-check.js";

const TABLE = "public.events";
const PUBLICATION = "bench_events";
const ORIGIN_SLOT = "bench_origin";
const DEFAULT_RUNS = 3;

/** How the pipeline runs: not recording, or recording in one of two forms. */
const VARIANTS = ["off", "deflate", "none"] as const;
type Variant = (typeof VARIANTS)[number];

interface Round {
  readonly variant: Variant;
  readonly live: ReaderReport;
  /** Null when nothing was recorded. */
  readonly replayed: ReaderReport | null;
  readonly diskBytes: number;
}

export async function replay(options: BenchOptions): Promise<BenchResult> {
  const db = await openDatabase();
  try {
    await db.sql(createTableSql(TABLE));
    await db.sql(`create publication ${PUBLICATION} for table ${TABLE}`);
    await db.sql("select pg_create_logical_replication_slot($1, 'pgoutput')", [ORIGIN_SLOT]);
    const { lastBeginLsn } = await loadEvents(db, TABLE, options.rows);
    progress("Reading once to warm the caches and to learn where the last transaction ends ...");
    const common = { url: db.url, slotName: ORIGIN_SLOT, publication: PUBLICATION };
    const reader: ReaderOrder = { ...common, afterLsn: lastBeginLsn, pace: true };
    const { endLsn, bytes } = await runProcess<ReaderReport>({
      script: "raw-reader",
      order: reader,
    });
    const rounds: Round[] = [];
    for (let round = 0; round < (options.runs ?? DEFAULT_RUNS); round++) {
      for (let i = 0; i < VARIANTS.length; i++) {
        const variant = VARIANTS[(i + round) % VARIANTS.length] as Variant;
        const measured = await runOnce(db, options, { variant, endLsn, tag: `r${round + 1}` });
        rounds.push(measured);
        progress(`Round ${round + 1}: ${variant} ${whole(rate(measured.live))} rows/s`);
      }
    }
    return {
      method: [
        `${options.rows} inserts in transactions of 100; ` +
          `${(bytes / 2 ** 20).toFixed(1)} MiB of pgoutput.`,
        SETTINGS_SENTENCE,
        "Each run of the pipeline reads its own copy of one slot and is compared with the " +
          "source's own query; each recording is then replayed by a process without a server.",
      ],
      machine: await describeMachine(db.sql),
      tables: tables(rounds, options.rows, bytes),
      figures: { rows: options.rows, bytes, rounds },
    };
  } finally {
    await db.close();
  }
}

async function runOnce(
  db: BenchDatabase,
  options: BenchOptions,
  run: { readonly variant: Variant; readonly endLsn: string; readonly tag: string },
): Promise<Round> {
  const { variant, endLsn, tag } = run;
  const name = `bench_record_${variant}_${tag}`;
  const dir = mkdtempSync(join(tmpdir(), "tidemark-bench-"));
  try {
    await db.sql("select pg_copy_logical_replication_slot($1, $2)", [ORIGIN_SLOT, name]);
    const order: PipelineOrder = {
      ...{
        url: db.url,
        resultsUrl: null,
        pipeline: name,
        slotName: name,
        table: TABLE,
        view: name,
      },
      ...{ publication: PUBLICATION, touchAll: false, endLsn },
      ...(variant === "off" ? {} : { record: { dir, compression: variant } }),
    };
    const live = await (await startPipeline(order)).report();
    await dropSlot(db.sql, name);
    await checkView({ source: db.sql, results: db.sql, table: TABLE, view: name });
    await db.sql("checkpoint");
    if (variant === "off") return { variant, live, replayed: null, diskBytes: 0 };
    const nodeFlags =
      options.profileDir === null ? [] : ["--cpu-prof", "--cpu-prof-dir", options.profileDir];
    const replayer: ReplayerOrder = { dir, table: TABLE };
    const replayed = await runProcess<ReaderReport>({
      script: "replayer",
      order: replayer,
      nodeFlags,
    });
    if (replayed.rows !== options.rows) {
      throw new WrongResult(`The replay counted ${replayed.rows} rows, not ${options.rows}.`);
    }
    return { variant, live, replayed, diskBytes: bytesIn(dir) };
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function tables(rounds: readonly Round[], rows: number, bytes: number): Table[] {
  const of = (variant: Variant) => rounds.filter((round) => round.variant === variant);
  const liveRate = (variant: Variant) => median(of(variant).map(({ live }) => rate(live)));
  const live = VARIANTS.map((variant) => [
    variant,
    whole(liveRate(variant)),
    fixed(liveRate(variant) / liveRate("off")),
    fixed(median(of(variant).map((round) => (cpuMs(round.live) * 1000) / rows))),
    variant === "off" ? "-" : fixed(median(of(variant).map((r) => r.diskBytes / rows)), 1),
    fixed(bytes / rows, 1),
  ]);
  const replayed = VARIANTS.filter((variant) => variant !== "off").map((variant) => {
    const reports = of(variant).flatMap(({ replayed: report }) => report ?? []);
    return [
      variant,
      whole(median(reports.map((report) => (rows / cpuMs(report)) * 1000))),
      whole(median(reports.map(rate))),
      fixed(median(reports.map((report) => (cpuMs(report) * 1000) / rows)), 3),
    ];
  });
  return [
    {
      title: "The pipeline while it records (medians)",
      head: ["recording", "rows/s", "on ÷ off", "CPU µs a row", "bytes a row", "on the socket"],
      rows: live,
    },
    {
      title: "Replay: decode and window, results in memory (medians)",
      head: ["recording", "rows/s a core", "rows/s by the clock", "CPU µs a row"],
      rows: replayed,
    },
  ];
}

function rate({ rows, wallMs }: ReaderReport): number {
  return (rows / wallMs) * 1000;
}

function cpuMs({ userMs, systemMs }: ReaderReport): number {
  return userMs + systemMs;
}

function bytesIn(dir: string): number {
  return readdirSync(dir).reduce((total, name) => total + statSync(join(dir, name)).size, 0);
}
