// How much memory a pipeline takes when it cannot keep up or gets everything at once.
import { setTimeout as pause } from "node:timers/promises";
import { type BenchDatabase, openDatabase, SETTINGS_SENTENCE } from "./database.js";
import { startLive } from "./live-pipeline.js";
import type { BenchOptions } from "./options.js";
import { createTableSql, insertNowSql } from "./processes/events-table.js";
import type { WriterOrder, WriterReport } from "./processes/order.js";
import { startProcess } from "./processes.js";
import { type BenchResult, describeMachine, progress, whole } from "./report.js";

const TABLE = "public.events";
const BLOCKED_SECONDS = 60;

interface Peak {
  readonly rows: number;
  /** WAL written meanwhile. */
  readonly walMiB: number;
  readonly idleRssMiB: number;
  readonly peakRssMiB: number;
}

export async function memory(options: BenchOptions): Promise<BenchResult> {
  const seconds = options.seconds ?? BLOCKED_SECONDS;
  const db = await openDatabase();
  try {
    await db.sql(createTableSql(TABLE));
    progress(`One transaction of ${options.rows} rows ...`);
    const transaction = await oneTransaction(db, options.rows);
    progress(`The view locked for ${seconds} s under load ...`);
    const blocked = await blockedSink(db, seconds);
    const row = (title: string, { rows, walMiB, idleRssMiB, peakRssMiB }: Peak): string[] => [
      title,
      ...[rows, walMiB, idleRssMiB, peakRssMiB].map(whole),
    ];
    return {
      method: [
        "Peak resident memory of the process that runs the pipeline, with default settings, each " +
          "case in a fresh process. Afterwards the view was compared with the source's own query.",
        "Blocked: another session holds LOCK TABLE view IN ACCESS EXCLUSIVE MODE while two " +
          "connections insert 100 rows a transaction as fast as they can.",
        SETTINGS_SENTENCE,
      ],
      machine: await describeMachine(db.sql),
      tables: [
        {
          title: "Memory in MiB",
          head: ["", "rows", "WAL MiB", "RSS at the start", "peak RSS"],
          rows: [
            row(`one transaction of ${whole(transaction.rows)} rows`, transaction),
            row(`view blocked for ${seconds} s`, blocked),
          ],
        },
      ],
      figures: { transaction, blocked },
    };
  } finally {
    await db.close();
  }
}

async function oneTransaction(db: BenchDatabase, rows: number): Promise<Peak> {
  const pipeline = await startLive(db, { name: "bench_transaction", table: TABLE });
  const before = await walMiB(db);
  await db.sql(insertNowSql(TABLE), [1, rows]);
  const after = await walMiB(db);
  const { peakRssMiB } = await pipeline.finish();
  return { rows, walMiB: after - before, idleRssMiB: pipeline.idleRssMiB, peakRssMiB };
}

async function blockedSink(db: BenchDatabase, seconds: number): Promise<Peak> {
  const pipeline = await startLive(db, { name: "bench_blocked", table: TABLE });
  const before = await walMiB(db);
  const locker = await db.connect();
  await locker.query("begin");
  await locker.query(`lock table ${pipeline.view} in access exclusive mode`);
  const order: WriterOrder = {
    ...{ url: db.url, table: TABLE, connections: 2, rowsPerTransaction: 100 },
    ...{ rowsPerSecond: null, seconds },
  };
  const writer = startProcess({ script: "writer", order });
  await writer.next();
  await pause(seconds * 1000);
  const { rows } = await writer.next<WriterReport>();
  await locker.query("commit");
  const after = await walMiB(db);
  const { peakRssMiB } = await pipeline.finish();
  return { rows, walMiB: after - before, idleRssMiB: pipeline.idleRssMiB, peakRssMiB };
}

async function walMiB({ sql }: BenchDatabase): Promise<number> {
  const [row] = await sql("select (pg_current_wal_lsn() - '0/0'::pg_lsn)::float8 as bytes");
  return Number(row?.["bytes"]) / 2 ** 20;
}
