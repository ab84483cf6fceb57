import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { eventually } from "../services/eventually.js";
import { ownPostgres } from "../services/postgres.js";
import { fileWith, type TidemarkProcess, tidemark } from "../services/tidemark-process.js";
import { differences, INSERT, readingsConfig, rowCounts, TABLE } from "./readings.js";

const MIB = 2 ** 20;
const LIMIT_BYTES = 256 * MIB;
const MILLION = 1_000_000;
/** Three times wal_sender_timeout and more. */
// A minute, which is also longer than any timeout of TCP that a server may have been given.
const BLOCKED_S = 60;

const server = await ownPostgres({ settings: { track_commit_timestamp: "on" } });
const { sql, url } = server;
await sql(TABLE);

async function start(
  config: string,
  env: Readonly<Record<string, string>> = {},
): Promise<TidemarkProcess> {
  const process = tidemark(["run", fileWith(config)], {
    env: { TIDEMARK_SOURCE_URL: url, TIDEMARK_IDLE_CHECKPOINT_INTERVAL: "500ms", ...env },
  });
  await process.logged("running");
  return process;
}

/** Waits until the views have all rows, then compares them and ends the process in peace. */
async function finish(process: TidemarkProcess): Promise<void> {
  const hasAll = async (): Promise<boolean> => {
    const { committed, kept, byDevice, byRegion } = await rowCounts(sql, sql);
    return byRegion === committed && byDevice === kept;
  };
  const explain = (): string => process.stderr;
  await eventually("the views have all rows", hasAll, { withinMs: 60_000, explain });
  expect(await differences(sql, sql)).toEqual({});
  const peak = process.peakRss();
  // Only Linux tells what another process has used at most.
  if (peak !== null) expect(peak).toBeLessThan(LIMIT_BYTES);
  expect((await process.end("SIGTERM")).code).toBe(0);
}

async function activePid(slot: string): Promise<number> {
  const [row] = await sql("select active_pid from pg_replication_slots where slot_name = $1", [
    slot,
  ]);
  return Number(row?.["active_pid"]);
}

async function startAnew(): Promise<void> {
  await sql("drop table if exists by_device, by_region");
  await sql("truncate readings");
}

test("a transaction of a million rows passes in less than 256 MiB", async () => {
  const process = await start(readingsConfig("huge"));
  await sql(INSERT, [MILLION]);
  await finish(process);
}, 120_000);

test("a sink blocked beyond wal_sender_timeout costs neither memory nor connection", async () => {
  await startAnew();
  const config = readingsConfig("blocked").replace(
    "slot({})",
    'slot({ walSenderTimeout: "3s" }), maxInFlightBytes: 2 ** 20',
  );
  const process = await start(config);
  const pid = await activePid("tidemark_blocked");
  const behindBytes = async (): Promise<number> => {
    const [row] = await sql(
      `select pg_wal_lsn_diff(pg_current_wal_lsn(), write_lsn)::float8 as bytes
       from pg_stat_replication where pid = $1`,
      [pid],
    );
    return Number(row?.["bytes"]);
  };

  // A server's tcp_user_timeout would count the time in which we do not read (a zero window).
  await sql("alter system set tcp_user_timeout = '5s'");
  await sql("select pg_reload_conf()");
  onTestFinished(async () => {
    await sql("alter system reset tcp_user_timeout");
    await sql("select pg_reload_conf()");
  });
  const locker = new pg.Client({ connectionString: url });
  await locker.connect();
  onTestFinished(() => locker.end());
  await locker.query("begin; lock table by_device in access exclusive mode");
  const unlocked = locker.query(`select pg_sleep(${BLOCKED_S}); commit`);
  let isBlocked = true;
  void unlocked.finally(() => {
    isBlocked = false;
  });
  let lastBehind = 0;
  for (let rounds = 0; isBlocked; rounds++) {
    const behind = await behindBytes();
    if (isBlocked) lastBehind = behind;
    await (rounds < 40 ? sql(INSERT, [10_000]) : sql("select pg_sleep(0.1)"));
  }
  // Seconds after the last row the server still could not send what it has: reading was stopped.
  expect(lastBehind).toBeGreaterThan(16 * MIB);
  await unlocked;
  expect(await activePid("tidemark_blocked")).toBe(pid);
  await finish(process);
  expect(process.log().filter(({ msg }) => msg === "running")).toHaveLength(1);
}, 180_000);
