// From COMMIT to a row visible in the view. See README.md.
import { openDatabase, SETTINGS_SENTENCE } from "./database.js";
import { startLive } from "./live-pipeline.js";
import type { BenchOptions } from "./options.js";
import { createTableSql } from "./processes/events-table.js";
import type { ProberOrder, ProberReport, WriterOrder, WriterReport } from "./processes/order.js";
import { median, spread } from "./processes/statistics.js";
import { runProcess, startProcess } from "./processes.js";
import { type BenchResult, describeMachine, fixed, progress, type Table, whole } from "./report.js";

const TABLE = "public.events";
const PROBES = 500;
const LOAD_SECONDS = 20;
const LOAD_ROWS_PER_SECOND = 10_000;

export async function latency(options: BenchOptions): Promise<BenchResult> {
  const seconds = options.seconds ?? LOAD_SECONDS;
  const db = await openDatabase();
  try {
    await db.sql(createTableSql(TABLE));
    const pipeline = await startLive(db, { name: "bench_latency", table: TABLE });
    const probe = (series: string, limits: Pick<ProberOrder, "probes" | "seconds">) => {
      const order: ProberOrder = {
        url: db.url,
        table: TABLE,
        view: pipeline.view,
        series,
        ...limits,
      };
      return runProcess<ProberReport>({ script: "prober", order });
    };
    progress(`${PROBES} probes on an idle source ...`);
    const idle = await probe("idle", { probes: PROBES, seconds: 600 });
    progress(`Probes for ${seconds} s beside ${LOAD_ROWS_PER_SECOND} rows/s ...`);
    const order: WriterOrder = {
      ...{ url: db.url, table: TABLE, connections: 8, rowsPerTransaction: 10 },
      ...{ rowsPerSecond: LOAD_ROWS_PER_SECOND, seconds },
    };
    const writer = startProcess({ script: "writer", order });
    await writer.next();
    const loaded = await probe("loaded", { probes: Number.MAX_SAFE_INTEGER, seconds: seconds - 1 });
    const load = await writer.next<WriterReport>();
    await pipeline.finish();
    const rate = (load.rows / load.wallMs) * 1000;
    return {
      method: method(rate, seconds),
      machine: await describeMachine(db.sql),
      tables: [table("Idle source", idle), table(`Beside ${whole(rate)} rows/s`, loaded)],
      figures: { idle, loaded, load },
    };
  } finally {
    await db.close();
  }
}

function table(title: string, { visibleMs, polls, observerMs, flushMs }: ProberReport): Table {
  const row = (name: string, values: readonly number[]): string[] => {
    const { p50, p90, p99, max } = spread(values);
    return [name, ...[p50, p90, p99, max].map((ms) => fixed(ms)), whole(values.length)];
  };
  return {
    title: `${title} (milliseconds; ${fixed(median(polls), 0)} looks a probe)`,
    head: ["", "p50", "p90", "p99", "max", "samples"],
    rows: [
      row("commit to visible in the view", visibleMs),
      row("one look by the observer", observerMs),
      row("bare flush: begin, update, upsert, commit", flushMs),
    ],
  };
}

function method(rate: number, seconds: number): string[] {
  return [
    "One row with a group of its own is inserted and committed; the clock starts when the reply " +
      "to the commit arrives and stops when a select on the view finds the group. 5 to 20 ms " +
      "between probes.",
    "The select runs in a tight loop on a second connection. It adds at most one look (shown) " +
      "and takes CPU time from the pipeline and the server, all of which run on the same machine.",
    `First on an otherwise idle source, then for ${seconds} s beside a process that ` +
      `inserts ${LOAD_ROWS_PER_SECOND} rows/s in transactions of 10 over 8 connections (reached: ` +
      `${whole(rate)}).`,
    "The pipeline has its default settings; results and checkpoints go to the source's server. " +
      "At the end its view was compared with the source's own query.",
    SETTINGS_SENTENCE,
  ];
}
