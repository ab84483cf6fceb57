import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { dropLeftovers } from "../../src/cli/replay/scratch-schema.js";
import { sqlConnect } from "../../src/source/sql-client.js";
import { eventually } from "../services/eventually.js";
import { usePostgres } from "../services/postgres.js";
import { openSql } from "../services/sql.js";
import { fileWith, type TidemarkProcess, tidemark } from "../services/tidemark-process.js";
import { seededRandom } from "../torture/random.js";
import { INSERT, readingsConfig, TABLE } from "../torture/readings.js";
import { startWriters } from "../torture/writers.js";

const database = await usePostgres({ settings: { track_commit_timestamp: "on" } });

interface Comparison {
  readonly output: string;
  readonly same: number;
  readonly added: number;
  readonly gone: number;
  readonly changed: number;
  readonly isSame: boolean;
  readonly examples: readonly unknown[];
}

/** A pipeline of its own in a database of its own, with a folder for its recording. */
async function stage(name: string) {
  const { sql, url } = await database.createDatabase();
  await sql(TABLE);
  const dir = mkdtempSync(join(tmpdir(), "tidemark-recording-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  // Windows that go while rows for them may still come, so that idle advances matter.
  const text = readingsConfig(name).replace(
    '.into(postgres.view("by_device"))',
    '.into(postgres.view("by_device", { retain: "2 minutes" }))',
  );
  const config = fileWith(text);
  const env = {
    TIDEMARK_SOURCE_URL: url,
    TIDEMARK_FLUSH_INTERVAL: "20ms",
    TIDEMARK_CHECKPOINT_INTERVAL: "100ms",
    TIDEMARK_IDLE_CHECKPOINT_INTERVAL: "150ms",
  };
  const command = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await tidemark(args, { env }).ended;
    expect(code, stderr).toBe(0);
    return stdout;
  };
  const replay = async (...args: string[]): Promise<Comparison[]> => {
    const stdout = await command("replay", config, "--json", ...args);
    return (JSON.parse(stdout) as { comparisons: Comparison[] }).comparisons;
  };
  const caughtUp = async (process: TidemarkProcess): Promise<void> => {
    const [end] = await sql("select pg_current_wal_insert_lsn() as lsn");
    const explain = () => process.stderr;
    const query = "select lsn >= $1::pg_lsn as done from tidemark.progress where pipeline = $2";
    await eventually(
      "the results have it all",
      async () => (await sql(query, [end?.["lsn"], name]))[0]?.["done"] === true,
      { explain },
    );
  };
  return { sql, url, dir, config, env, command, replay, caughtUp };
}

test("a recording made by a run that is killed replays to the same bytes", async () => {
  const { sql, url, dir, config, env, command, replay, caughtUp } = await stage("taped");
  const random = seededRandom();
  const run = (): TidemarkProcess => tidemark(["run", config, "--record", dir], { env });
  const first = run();
  await first.logged("running");
  await command("bookmark", "create", "start", config);
  const writers = startWriters(url, random);
  onTestFinished(() => writers.stop());
  let process = first;
  const confirmed = async (): Promise<unknown> => {
    const query = `select confirmed_flush_lsn::text as lsn from pg_replication_slots
                   where slot_name = $1`;
    return (await sql(query, ["tidemark_taped"]))[0]?.["lsn"];
  };
  const acknowledged = async (): Promise<void> => {
    const before = await confirmed();
    const hasMoved = async () => (await confirmed()) !== before;
    await eventually("the slot moves", hasMoved, { explain: () => process.stderr });
  };
  for (let kill = 0; kill < 8; kill++) {
    await pause(random.between(100, 700));
    if (kill % 2 === 0) await acknowledged();
    if (random.chance(0.5)) {
      await writers.rest();
      await pause(300); // quiet for long enough to be idle
      writers.resume();
    }
    await process.end("SIGKILL");
    process = run();
    await process.logged("running");
  }
  await pause(500);
  await writers.rest();
  await caughtUp(process);
  expect((await process.end("SIGTERM")).code).toBe(0);
  expect(readdirSync(dir).filter((file) => file.endsWith(".segment")).length).toBeGreaterThan(2);

  const taped = await replay("--recording", dir, "--all");
  expect(taped.map(({ output }) => output)).toEqual(["public.by_device", "public.by_region"]);
  for (const comparison of taped) {
    expect(comparison).toMatchObject({ isSame: true });
    expect(comparison.same).toBeGreaterThan(3);
  }
  const bookmarked = await replay("--bookmark", "start", "--all");
  expect(bookmarked[1]).toMatchObject({ output: "public.by_region", isSame: true });
  expect(await replay("--bookmark", "start", "--all")).toEqual(bookmarked); // it has not moved
}, 60_000);

test("a replay says which rows are new, gone and changed, and changes none", async () => {
  const { sql, dir, config, env, command, replay, caughtUp } = await stage("compared");
  const process = tidemark(["run", config, "--record", dir], { env });
  await process.logged("running");
  for (let i = 0; i < 5; i++) await sql(INSERT, [50]);
  await caughtUp(process);
  await process.end("SIGTERM");
  const same = await replay("--recording", dir, "--all");
  expect(same.every(({ isSame }) => isSame)).toBe(true);

  const before = await sql("select count(*)::int as n from by_region");
  await sql("delete from by_region where ctid = (select min(ctid) from by_region)");
  await sql("update by_region set rows = rows + 1 where ctid = (select max(ctid) from by_region)");
  await sql("insert into by_region values ('moon', true, now() - interval '1 day', 1, 1)");
  const [, byRegion] = await replay("--recording", dir, "--all");
  expect(byRegion).toMatchObject({ added: 1, gone: 1, changed: 1, isSame: false });
  expect(byRegion?.examples).toHaveLength(3);
  expect(await sql("select count(*)::int as n from by_region")).toEqual(before);
  expect(await sql("select 1 from pg_namespace where nspname like 'tidemark_replay%'")).toEqual([]);
  expect(await sql("select pipeline from tidemark.progress")).toEqual([{ pipeline: "compared" }]);

  const text = await command("replay", config, "--recording", dir, "--all", "--into", "tried");
  expect(text).toContain("results in schema tried");
  expect(text).toContain("public.by_region, all rows: 1 rows new, 1 gone, 1 changed");
  expect(await sql("select count(*)::int as n from tried.by_region")).toEqual(before);
  const again = await replay("--recording", dir, "--all", "--into", "tried");
  expect(again[1]).toEqual(byRegion);
  const lines = (await command("replay", config, "--recording", dir, "--into", "stdout")).split(
    "\n",
  );
  const rows = lines.flatMap((line) => (line === "" ? [] : [JSON.parse(line)]));
  expect(rows.filter(({ output }) => output === "public.by_region").length).toBeGreaterThan(4);
  const refused = await tidemark(["replay", config, "--recording", dir, "--into", "public"], {
    env,
  }).ended;
  expect(refused).toMatchObject({ code: 2, stdout: "" });
  expect(refused.stderr).toContain("[CONFIG_INVALID]");
}, 60_000);

test("what a killed replay leaves is dropped by the next one, a live one left alone", async () => {
  const { sql, url, dir, config, env, command, caughtUp } = await stage("left");
  const process = tidemark(["run", config, "--record", dir], { env });
  await process.logged("running");
  await sql(INSERT, [50]);
  await caughtUp(process);
  await process.end("SIGTERM");
  const blocker = openSql(url);
  onTestFinished(() => blocker.close());
  await blocker.sql("begin");
  await blocker.sql("lock table tidemark.progress in access exclusive mode");
  const killed = tidemark(["replay", config, "--recording", dir], { env });
  const schemas = async (): Promise<unknown[]> =>
    (await sql("select nspname as name from pg_namespace where nspname ~ '^tidemark_replay_'")).map(
      ({ name }) => name,
    );
  const [schema] = await eventually("the replay has a schema", async () => {
    const found = await schemas();
    return found.length === 1 && found;
  });
  const connect = sqlConnect({ url, role: "results", applicationName: "another replay" });
  expect(await dropLeftovers(connect)).toEqual([]);
  await killed.end("SIGKILL");
  await blocker.sql("rollback");
  await eventually("the server has noticed", async () => {
    const query = "select 1 from pg_stat_activity where application_name = $1";
    return (await sql(query, ["tidemark left replay"])).length === 0;
  });
  const report = JSON.parse(await command("replay", config, "--json", "--recording", dir));
  expect(report).toMatchObject({ leftovers: [schema], schema: null });
  expect(await schemas()).toEqual([]);
  expect(await sql("select pipeline from tidemark.progress")).toEqual([{ pipeline: "left" }]);
}, 60_000);

test("a range by LSN or time replays the transactions in it", async () => {
  const { sql, dir, config, env, replay, command, caughtUp } = await stage("ranged");
  const process = tidemark(["run", config, "--record", dir], { env });
  await process.logged("running");
  const moments: string[] = [];
  for (let i = 0; i < 3; i++) {
    await sql(INSERT, [10]);
    await pause(5); // a moment is given in milliseconds, and has to lie behind the commit
    const [now] = await sql("select now()::text as at, pg_current_wal_insert_lsn()::text as lsn");
    moments.push(String(now?.["lsn"]), String(now?.["at"]));
    await pause(20);
  }
  await caughtUp(process);
  await process.end("SIGTERM");
  const changes = async (...args: string[]): Promise<number> => {
    const stdout = await command("replay", config, "--json", "--recording", dir, ...args);
    return (JSON.parse(stdout) as { changes: number }).changes;
  };
  const iso = (at: string | undefined) => new Date(String(at)).toISOString();
  expect(await changes()).toBe(30);
  expect(await changes("--from", String(moments[0]))).toBe(20);
  expect(await changes("--to", String(moments[2]))).toBe(20);
  expect(await changes("--from", String(moments[0]), "--to", String(moments[2]))).toBe(10);
  expect(await changes("--from", iso(moments[1]))).toBe(20);
  expect(await changes("--to", iso(moments[3]))).toBe(20);
  expect((await replay("--recording", dir)).every(({ isSame }) => isSame)).toBe(true);
  for (const args of [
    ["--from", "0/1"],
    ["--to", "yesterday"],
  ]) {
    const { code } = await tidemark(["replay", config, "--recording", dir, ...args], { env }).ended;
    expect(code).toBe(2);
  }
}, 60_000);

test("tidemark record goes on where it was killed; its slot follows the disk", async () => {
  const { sql, dir, config, env, command } = await stage("alone");
  const record = (): TidemarkProcess => tidemark(["record", config, "--dir", dir], { env });
  let process = record();
  await process.logged("recording");
  for (let i = 0; i < 4; i++) {
    await sql(INSERT, [100]);
    await pause(i % 2 === 0 ? 0 : 1_200); // before or after it is made durable
    await process.end("SIGKILL");
    process = record();
    await process.logged("recording");
  }
  const [end] = await sql("select pg_current_wal_insert_lsn() as lsn");
  const query = `select confirmed_flush_lsn >= $1::pg_lsn as done from pg_replication_slots
                 where slot_name = 'tidemark_alone_record'`;
  const isDone = async () => (await sql(query, [end?.["lsn"]]))[0]?.["done"] === true;
  await eventually("the slot is told", isDone, { explain: () => process.stderr });
  const { code, stderr } = await process.end("SIGTERM");
  expect(code, stderr).toBe(0);
  const stdout = await command("replay", config, "--json", "--recording", dir);
  expect(JSON.parse(stdout)).toMatchObject({ transactions: 4, changes: 400 });

  await sql("select pg_drop_replication_slot('tidemark_alone_record')");
  const refused = await record().ended;
  expect(refused.code).toBe(4);
  expect(refused.stderr).toContain("[RECORDING_GAP]");
}, 60_000);

test("bookmarks are listed with what they hold, pruned by age and size, and dropped", async () => {
  const { config, env, command } = await stage("marked");
  const missing = await tidemark(["bookmark", "create", "early", config], { env }).ended;
  expect(missing.stderr).toContain("[SLOT_MISSING]");
  const process = tidemark(["run", config], { env });
  await process.logged("running");
  expect(await command("bookmark", "create", "one", config)).toMatch(/one {2}at .*bytes|iB of WAL/);
  await command("bookmark", "create", "two", config);
  const list = async (extra = {}): Promise<{ name: string; beyond: string | null }[]> => {
    const listing = tidemark(["bookmark", "list", config, "--json"], { env: { ...env, ...extra } });
    return JSON.parse((await listing.ended).stdout);
  };
  expect((await list()).map(({ name, beyond }) => [name, beyond])).toEqual([
    ["one", null],
    ["two", null],
  ]);
  const limits = { TIDEMARK_BOOKMARK_MAX_BYTES: "1" };
  expect((await list(limits)).map(({ beyond }) => beyond)).toEqual(["size", "size"]);
  await command("bookmark", "drop", "two", config);
  const pruned = await tidemark(["bookmark", "prune", config], { env: { ...env, ...limits } })
    .ended;
  expect(pruned.stdout).toContain("1 of 1 bookmarks dropped");
  expect(await list()).toEqual([]);
  const twice = await tidemark(["bookmark", "drop", "two", config], { env }).ended;
  expect(twice.stderr).toContain("[BOOKMARK_MISSING]");
  await process.end("SIGTERM");
}, 60_000);
