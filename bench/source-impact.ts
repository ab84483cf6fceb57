// What following a table costs those who write to it. See README.md.
import { splitCores } from "./cpu-affinity.js";
import { type BenchDatabase, openDatabase, SETTINGS_SENTENCE } from "./database.js";
import { startLive } from "./live-pipeline.js";
import type { BenchOptions } from "./options.js";
import { findPgRecvlogical, followWithRecvlogical, type PgRecvlogical } from "./pg-recvlogical.js";
import { createTableSql, insertNowSql } from "./processes/events-table.js";
import type { WriterOrder, WriterReport } from "./processes/order.js";
import { median } from "./processes/statistics.js";
import { startProcess } from "./processes.js";
import { type BenchResult, describeMachine, fixed, progress, type Table, whole } from "./report.js";

const TABLE = "public.events";
/** In the table before each round, so that refreshing a materialized view has work but ends. */
const PRELOADED_ROWS = 20_000;
const CONNECTIONS = 4;
const DEFAULT_RUNS = 3;
const DEFAULT_SECONDS = 10;

const VARIANTS = {
  alone: "without anything",
  reader: "pg_recvlogical to /dev/null",
  attached: "Tidemark, results on the same server",
  elsewhere: "Tidemark, results on another server",
  trigger: "trigger that refreshes a materialized view",
} as const;
type Variant = keyof typeof VARIANTS;
type Rounds = Record<Variant, WriterReport[]>;

interface Impact {
  readonly db: BenchDatabase;
  readonly other: BenchDatabase;
  readonly seconds: number;
  readonly recvlogical: PgRecvlogical | null;
  readonly hasSpareCore: boolean;
}

export async function sourceImpact(options: BenchOptions): Promise<BenchResult> {
  const seconds = options.seconds ?? DEFAULT_SECONDS;
  const recvlogical = findPgRecvlogical();
  const db = await openDatabase();
  const other = await openDatabase().catch(async (error: unknown) => {
    await db.close();
    throw error;
  });
  try {
    const rounds: Rounds = { alone: [], reader: [], attached: [], elsewhere: [], trigger: [] };
    const runs = options.runs ?? DEFAULT_RUNS;
    const { hasSpareCore } = options;
    const impact: Impact = { db, other, seconds, recvlogical, hasSpareCore };
    for (let round = 1; round <= runs; round++) {
      for (const variant of Object.keys(VARIANTS) as Variant[]) {
        if (options.only !== null && !options.only.includes(variant)) continue;
        if (variant === "reader" && recvlogical === null) continue;
        const report = await runVariant(impact, variant, round);
        rounds[variant].push(report);
        progress(
          `Round ${round} of ${runs}: ${VARIANTS[variant]}, ${whole(tps(report))} inserts/s`,
        );
      }
    }
    return {
      method: method(seconds, hasSpareCore),
      machine: await describeMachine(db.sql),
      tables: [table(rounds)],
      figures: rounds,
    };
  } finally {
    await Promise.all([db.close(), other.close()]);
  }
}

async function runVariant(impact: Impact, variant: Variant, round: number): Promise<WriterReport> {
  const { db, other } = impact;
  await db.sql(`drop table if exists ${TABLE} cascade`);
  await db.sql(createTableSql(TABLE));
  await db.sql(insertNowSql(TABLE), [1, PRELOADED_ROWS]);
  await db.sql(`analyze ${TABLE}`);
  if (variant === "trigger") await addTrigger(db);
  const isFollowed = variant === "attached" || variant === "elsewhere";
  const results = variant === "elsewhere" ? other : db;
  const live = { name: `bench_${variant}_${round}`, table: TABLE, results };
  const pipeline = isFollowed ? await startLive(db, live) : null;
  const reader =
    variant === "reader" && impact.recvlogical !== null
      ? await followWithRecvlogical(impact.recvlogical, db, TABLE)
      : null;
  await db.sql("checkpoint");
  const order: WriterOrder = {
    ...{ url: db.url, table: TABLE, connections: CONNECTIONS, rowsPerTransaction: 1 },
    ...{ rowsPerSecond: null, seconds: impact.seconds },
  };
  const writer = startProcess({ script: "writer", order });
  await writer.next();
  if (impact.hasSpareCore) {
    const followerPids = [pipeline?.pid ?? [], reader?.pid ?? []].flat();
    await splitCores({ servers: [db.sql, other.sql], writerPid: writer.pid, followerPids });
  }
  const report = await writer.next<WriterReport>();
  await pipeline?.finish();
  await reader?.finish();
  return report;
}

async function addTrigger({ sql }: BenchDatabase): Promise<void> {
  await sql(`create materialized view events_per_minute as
    select event_type, date_trunc('minute', created_at) as minute, count(*) as event_count,
      sum(amount) as total_amount
    from ${TABLE} group by 1, 2`);
  await sql(`create or replace function refresh_events_per_minute() returns trigger
    language plpgsql as $$
    begin
      refresh materialized view events_per_minute;
      return null;
    end $$`);
  await sql(`create trigger refresh_view after insert on ${TABLE}
    for each statement execute function refresh_events_per_minute()`);
}

function tps({ transactions, wallMs }: WriterReport): number {
  return (transactions / wallMs) * 1000;
}

function table(rounds: Rounds): Table {
  const mid = (variant: Variant): number => median(rounds[variant].map(tps));
  const measured = (Object.keys(VARIANTS) as Variant[]).filter((v) => rounds[v].length > 0);
  return {
    title: "Medians, and every round",
    head: ["", "inserts/s", "÷ without", "p50 ms", "p99 ms", "rounds"],
    rows: measured.map((variant) => [
      VARIANTS[variant],
      whole(mid(variant)),
      fixed(mid(variant) / mid("alone"), 3),
      fixed(median(rounds[variant].map(({ transactionMs }) => transactionMs.p50))),
      fixed(median(rounds[variant].map(({ transactionMs }) => transactionMs.p99))),
      rounds[variant].map((report) => whole(tps(report))).join(" "),
    ]),
  };
}

function method(seconds: number, hasSpareCore: boolean): string[] {
  return [
    `${CONNECTIONS} connections of one Node process insert single rows as fast as the server ` +
      `takes them, ${seconds} s a round, into a table made anew with ${PRELOADED_ROWS} rows.`,
    hasSpareCore
      ? "Writers and their backends share one core. Whatever follows the log (its client, the " +
        "walsender, the sessions that write results) shares the other one."
      : "Writers, servers and pipeline share one machine, so that each takes CPU time from the " +
        "others: the ratios are worse than with a pipeline on a machine of its own.",
    "pg_recvlogical only reads: what it costs is the price of following at all on this machine.",
    "Rounds are interleaved. The views were compared with the source's own query after each round.",
    SETTINGS_SENTENCE,
  ];
}
