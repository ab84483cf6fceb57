import { expect, onTestFinished, test } from "vitest";
import { eventually } from "../services/eventually.js";
import { ownPostgres } from "../services/postgres.js";
import { fileWith, type TidemarkProcess, tidemark } from "../services/tidemark-process.js";
import { observe } from "./observer.js";
import { readingsConfig, rowCounts, TABLE } from "./readings.js";

const MIB = 2 ** 20;
/** More than four WAL segments. */
const NOISE_BYTES = 70 * MIB;

const server = await ownPostgres({ settings: { track_commit_timestamp: "on" } });
const { sql, url } = server;

/** Writes to a table that nobody publishes, and ends the WAL segment. Returns where that ended. */
async function makeNoise(): Promise<bigint> {
  await sql("create table if not exists unpublished (note text)");
  for (let from = await walPosition(); (await walPosition()) - from < NOISE_BYTES; ) {
    await sql("insert into unpublished select repeat('n', 1000) from generate_series(1, 10000)");
  }
  await sql("select pg_switch_wal()");
  return walPosition();
}

async function walPosition(): Promise<bigint> {
  const [row] = await sql("select (pg_current_wal_lsn() - '0/0'::pg_lsn)::text as at");
  return BigInt(String(row?.["at"]));
}

interface SlotPositions {
  readonly confirmed: bigint;
  readonly restart: bigint;
}

async function slotPositions(): Promise<SlotPositions> {
  const [row] = await sql(
    `select (confirmed_flush_lsn - '0/0'::pg_lsn)::text as confirmed,
            (restart_lsn - '0/0'::pg_lsn)::text as restart
     from pg_replication_slots where slot_name = 'tidemark_quiet'`,
  );
  return {
    confirmed: BigInt(String(row?.["confirmed"])),
    restart: BigInt(String(row?.["restart"])),
  };
}

/**
 * Waits until the slot has passed `end`. The restart position moves at records that PostgreSQL
 * writes with each of its checkpoints and every 15 seconds.
 */
async function slotPasses(end: bigint, process: TidemarkProcess): Promise<void> {
  const explain = (): string => process.stderr;
  const hasConfirmed = async (): Promise<boolean> => (await slotPositions()).confirmed >= end;
  await eventually("confirmed_flush_lsn follows", hasConfirmed, { explain });
  const hasRestart = async (): Promise<boolean> => {
    await sql("checkpoint");
    return (await slotPositions()).restart >= end;
  };
  await eventually("restart_lsn follows", hasRestart, { explain });
}

test("FM9: a quiet publication in a busy database pins no WAL and survives a kill", async () => {
  await sql(TABLE);
  const config = fileWith(readingsConfig("quiet"));
  const env = { TIDEMARK_SOURCE_URL: url, TIDEMARK_IDLE_CHECKPOINT_INTERVAL: "300ms" };
  const run = async (): Promise<TidemarkProcess> => {
    const process = tidemark(["run", config], { env });
    await process.logged("running");
    return process;
  };
  const observer = observe({ source: url, results: url }, { pipeline: "quiet" });
  onTestFinished(() => observer.stop());

  // While it runs, and with not a single row for it.
  const first = await run();
  await slotPasses(await makeNoise(), first);

  // Killed at once after the slot has moved: the checkpoint must have moved before it.
  await first.end("SIGKILL");
  const second = await run();
  expect((await second.end("SIGTERM")).code).toBe(0);

  // What piled up while it was away is given back.
  const end = await makeNoise();
  const held = end - (await slotPositions()).restart;
  expect(held).toBeGreaterThan(NOISE_BYTES);
  const third = await run();
  await slotPasses(end, third);
  expect((await walPosition()) - (await slotPositions()).restart).toBeLessThan(held / 2n);

  await sql("insert into readings (device, is_kept, at, amount) values (1, true, now(), 2.5)");
  const hasRow = async (): Promise<boolean> => (await rowCounts(sql, sql)).byDevice === 1;
  await eventually("a row after the silence arrives", hasRow, { explain: () => third.stderr });
  expect((await third.end("SIGTERM")).code).toBe(0);
  expect(observer.violations).toEqual([]);
  expect(observer.samples).toBeGreaterThan(50);
});
