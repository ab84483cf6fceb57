// Each disk that something is written to becomes full, on small file systems of the test's own.
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { startPostgres } from "../../src/cli/embedded/postgres-server.js";
import { startRedis } from "../../src/cli/embedded/redis-server.js";
import { eventually } from "../services/eventually.js";
import { ownPostgres } from "../services/postgres.js";
import { NO_SMALL_DISK, type SmallDisk, smallDisk } from "../services/small-disk.js";
import { openSql } from "../services/sql.js";
import type { TidemarkProcess } from "../services/tidemark-process.js";
import { type PlainRun, plainRun } from "./plain-run.js";

const source = await ownPostgres({ settings: { track_commit_timestamp: "on" } });

// Said in the report of the run, never passed over in silence.
beforeEach(({ skip }) => skip(NO_SMALL_DISK !== null, NO_SMALL_DISK ?? undefined));

async function told(process: TidemarkProcess, code: string, words: RegExp): Promise<void> {
  const isTold = (): boolean =>
    process.log().some((line) => line["code"] === code && words.test(line.msg));
  await eventually(`${code} is told`, isTold, { explain: () => process.stderr });
  expect(process.isRunning(), process.stderr).toBe(true);
}

async function confirmed({ sql, slot }: PlainRun): Promise<bigint> {
  const [row] = await sql(
    `select (confirmed_flush_lsn - '0/0'::pg_lsn)::text as at
     from pg_replication_slots where slot_name = $1`,
    [slot],
  );
  return BigInt(String(row?.["at"]));
}

async function flushed({ sql }: PlainRun): Promise<bigint> {
  const [row] = await sql("select (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::text as at");
  return BigInt(String(row?.["at"]));
}

/** What is written while a disk is full is not acknowledged, and is there when it has room. */
async function isHeldBack(run: PlainRun, process: TidemarkProcess): Promise<void> {
  const end = await flushed(run);
  expect(await confirmed(run)).toBeLessThan(end);
  expect(process.isRunning(), process.stderr).toBe(true);
}

/**
 * Fills a disk that the pipeline keeps something on: it says so in `words` and acknowledges nothing
 * until there is room, and then everything.
 */
async function holdsBack(
  run: PlainRun,
  disk: SmallDisk,
  { code, words }: { readonly code: string; readonly words: RegExp },
): Promise<void> {
  const process = await run.running();
  await run.insert(100);
  await run.compare(process);
  disk.fill();
  await run.insert(2_000);
  await told(process, code, words);
  await isHeldBack(run, process);
  disk.free();
  await run.insert(100);
  await run.compare(process);
  const end = await flushed(run);
  await eventually("all is acknowledged", async () => (await confirmed(run)) >= end);
}

test("checkpoints in files: nothing is acknowledged until there is room", async () => {
  const disk = smallDisk(4);
  const env = { TIDEMARK_CHECKPOINT_URL: pathToFileURL(disk.folder).href };
  const run = await plainRun({ source, env });
  await holdsBack(run, disk, { code: "CHECKPOINT_FAILED", words: /ENOSPC/ });
});

test("a recording: nothing is acknowledged that is not in it, until there is room", async () => {
  const disk = smallDisk(4);
  const run = await plainRun({ source, env: { TIDEMARK_RECORD: join(disk.folder, "recording") } });
  await holdsBack(run, disk, { code: "RECORDING_FAILED", words: /ENOSPC/ });
});

test("Redis: it takes no more checkpoints, and all goes on when there is room", async () => {
  const disk = smallDisk(8);
  const redis = await startRedis({ dataDir: join(disk.folder, "redis") });
  onTestFinished(() => redis.close());
  const run = await plainRun({
    source,
    env: { TIDEMARK_CHECKPOINT_URL: redis.url },
    change: (text) =>
      text
        .replace(
          "slot({}) }",
          'slot({}), checkpoint: redis({ durability: "delay", delay: "1s" }) }',
        )
        .replace("postgres, slot", "postgres, redis, slot"),
  });
  await holdsBack(run, disk, { code: "CHECKPOINT_FAILED", words: /cannot write to its disk/ });
});

test("results: writes are tried again until there is room", async () => {
  const disk = smallDisk(24);
  const server = await startPostgres({ settings: { fsync: "off" } });
  const { sql, close } = openSql(server.url);
  onTestFinished(async () => {
    await close();
    await server.close();
  });
  await sql(`create tablespace small location '${disk.folder}'`);
  const results = { ...server, sql };
  const run = await plainRun({ source, results });
  await run.results(`alter database ${run.name} set default_tablespace = 'small'`);
  const process = await run.running();
  await run.insert(100);
  await run.compare(process);
  disk.fill();
  for (let round = 0; round < 20; round++) await run.insert(2_000);
  await told(process, "SINK_FAILED", /53100/);
  await isHeldBack(run, process);
  disk.free();
  await run.compare(process);
  const end = await flushed(run);
  await eventually("all is acknowledged", async () => (await confirmed(run)) >= end);
});

test("WAL of the source: its crash loses nothing, and it is read on when it is back", async () => {
  const disk = smallDisk(160);
  const server = await startPostgres({
    dataDir: join(disk.folder, "data"),
    settings: { fsync: "off", track_commit_timestamp: "on", min_wal_size: "32MB" },
  });
  const { sql, close } = openSql(server.url);
  onTestFinished(async () => {
    await close();
    await server.close();
  });
  const run = await plainRun({ source: { ...server, sql }, results: source });
  const process = await run.running();
  await run.insert(100);
  await run.compare(process);
  disk.fill(1_000_000);
  const writing = (async () => {
    for (;;) await run.insert(5_000);
  })();
  await expect(writing).rejects.toThrow();
  await told(process, "SOURCE_UNREACHABLE", /./);
  disk.free();
  await server.stop("immediate");
  await server.start();
  await run.insert(100);
  await run.compare(process);
}, 60_000);
