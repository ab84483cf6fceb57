import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { eventually } from "../services/eventually.js";
import { ownPostgres } from "../services/postgres.js";
import { fileWith, type TidemarkProcess, tidemark } from "../services/tidemark-process.js";
import { observe } from "./observer.js";
import { seededRandom } from "./random.js";
import { differences, INSERT, readingsConfig, rowCounts, TABLE } from "./readings.js";
import { startWriters } from "./writers.js";

const KILLS = 50;
/** Every so many kills everything rests until the views have caught up, and is compared. */
const COMPARE_EVERY = 5;

const server = await ownPostgres({ settings: { track_commit_timestamp: "on" } });
const { sql, url } = server;
await sql(TABLE);

test(`${KILLS} SIGKILLs at any moment under load lose no row and count none twice`, async () => {
  const config = fileWith(readingsConfig("killed"));
  const env = {
    TIDEMARK_SOURCE_URL: url,
    TIDEMARK_FLUSH_INTERVAL: "20ms",
    TIDEMARK_CHECKPOINT_INTERVAL: "100ms",
    TIDEMARK_IDLE_CHECKPOINT_INTERVAL: "200ms",
  };
  const random = seededRandom();
  const run = (): TidemarkProcess => tidemark(["run", config], { env });
  // Rows from before the slot are none of the pipeline's business.
  const first = run();
  await first.logged("running");
  await first.end("SIGKILL");
  const writers = startWriters(url, random);
  const observer = observe({ source: url, results: url }, { pipeline: "killed" });
  onTestFinished(async () => {
    await Promise.all([writers.stop(), observer.stop()]);
  });

  const compare = async (process: TidemarkProcess): Promise<void> => {
    await writers.rest();
    let counts: unknown;
    const same = async (): Promise<boolean> => {
      const { committed, kept, byRegion, byDevice } = await rowCounts(sql, sql);
      counts = { committed, kept, byRegion, byDevice };
      return byRegion > committed || (byRegion === committed && byDevice === kept);
    };
    const explain = (): string => `${JSON.stringify(counts)}\n${process.stderr}`;
    await eventually("the views have all rows", same, { explain });
    expect(await differences(sql, sql)).toEqual({});
    writers.resume();
  };

  for (let kill = 1; kill <= KILLS; kill++) {
    const process = run();
    // Half of them die while they start, too.
    if (random.chance(0.5)) await process.logged("running");
    await pause(random.between(20, 600));
    if (kill % COMPARE_EVERY === 0) await compare(process);
    expect(process.isRunning(), process.stderr).toBe(true);
    expect((await process.end("SIGKILL")).signal).toBe("SIGKILL");
  }

  const last = run();
  await compare(last);
  await writers.rest();
  const { code, stderr } = await last.end("SIGTERM");
  expect(code, stderr).toBe(0);
  await observer.stop();
  expect(await differences(sql, sql)).toEqual({});
  expect(observer.violations).toEqual([]);
  // The test has seen something: enough samples, and many runs that took over and wrote.
  expect(observer.samples).toBeGreaterThan(500);
  const [progress] = await sql("select epoch::int from tidemark.progress");
  expect(progress?.["epoch"]).toBeGreaterThan(KILLS / 3);
}, 180_000);

test("a kill between two views of one write leaves neither of them, nor the progress", async () => {
  await sql("drop table if exists by_device, by_region");
  await sql("truncate readings");
  const config = fileWith(readingsConfig("halved"));
  const env = { TIDEMARK_SOURCE_URL: url };
  const process = tidemark(["run", config], { env });
  await process.logged("running");
  const progress = async (): Promise<unknown> =>
    (await sql("select lsn from tidemark.progress where pipeline = 'halved'"))[0]?.["lsn"];
  const before = await progress();

  const locker = new pg.Client({ connectionString: url });
  await locker.connect();
  onTestFinished(() => locker.end());
  // The view that is written last.
  await locker.query("begin; lock table by_region in access exclusive mode");
  await sql(INSERT, [100]);
  await eventually("the write waits for the lock", async () => {
    const waiting = `select 1 from pg_stat_activity
      where application_name = 'tidemark halved results' and wait_event_type = 'Lock'`;
    return (await sql(waiting)).length === 1;
  });
  expect(await progress()).toBe(before);
  expect(await sql("select * from by_device")).toEqual([]);
  await process.end("SIGKILL");
  await locker.query("rollback");

  const next = tidemark(["run", config], { env });
  const hasAll = async (): Promise<boolean> => (await rowCounts(sql, sql)).byRegion === 100;
  await eventually("the views have all rows", hasAll, { explain: () => next.stderr });
  expect(await differences(sql, sql)).toEqual({});
});
