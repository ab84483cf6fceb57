// At the source's address comes up what has another past than the pipeline remembers.
import { execFileSync } from "node:child_process";
import { renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { startPostgres } from "../../src/cli/embedded/postgres-server.js";
import { ownPostgres } from "../services/postgres.js";
import { uniqueName } from "../services/shared-service.js";
import { openSql } from "../services/sql.js";
import { endsWith, plainRun } from "./plain-run.js";
import { TABLE } from "./readings.js";

const source = await ownPostgres({ settings: { track_commit_timestamp: "on" } });
const results = await ownPostgres();

/** A copy of the data folder as it is now, made while the server is stopped. */
async function coldCopy(): Promise<string> {
  const copy = `${source.dataDir}-${uniqueName("copy")}`;
  onTestFinished(() => rmSync(copy, { recursive: true, force: true }));
  await source.stop();
  execFileSync("cp", ["-a", source.dataDir, copy]);
  await source.start();
  return copy;
}

/** Stops the server and starts it over another data folder. */
async function replaceBy(folder: string): Promise<void> {
  await source.stop();
  const past = `${source.dataDir}-${uniqueName("past")}`;
  onTestFinished(() => rmSync(past, { recursive: true, force: true }));
  renameSync(source.dataDir, past);
  renameSync(folder, source.dataDir);
  await source.start();
}

test("another cluster at the address of a running pipeline is OTHER_SYSTEM", async () => {
  const run = await plainRun({ source, results });
  const process = await run.running();
  await run.insert(50);
  await run.compare(process);

  const other = await startPostgres({ settings: { fsync: "off" } });
  const { sql, close } = openSql(other.url);
  await sql(`create database ${run.name}`);
  await sql(`alter role postgres password '${new URL(source.url).password}'`);
  const url = new URL(source.url);
  url.port = String(other.port);
  url.pathname = `/${run.name}`;
  const inside = openSql(url.href);
  await inside.sql(TABLE);
  await Promise.all([inside.close(), close()]);
  await other.stop();
  onTestFinished(() => other.close());
  await replaceBy(other.dataDir);
  await endsWith(process, "OTHER_SYSTEM", "DIVERGED");
}, 60_000);

test("a restored backup that lacks what the results have is DIVERGED", async () => {
  const run = await plainRun({ source, results });
  const first = await run.running();
  await run.insert(50);
  await run.compare(first);
  await first.end("SIGTERM");
  const backup = await coldCopy();

  const second = await run.running();
  await run.insert(5_000);
  await run.compare(second);
  await second.end("SIGTERM");
  await replaceBy(backup);
  const ending = await endsWith(run.start(), "DIVERGED", "DIVERGED");
  expect(ending.stderr).toContain("restored backup");
}, 60_000);

test("a promoted standby that lags is DIVERGED, one that has everything is read on", async () => {
  const run = await plainRun({ source, results });
  const first = await run.running();
  await run.insert(50);
  await run.compare(first);
  await first.end("SIGTERM");
  const lagging = await coldCopy();

  const second = await run.running();
  await run.insert(5_000);
  await run.compare(second);
  await second.end("SIGTERM");
  const whole = await coldCopy();

  await promote(lagging);
  // Past the positions that are remembered: only the timeline's history tells.
  await run.insert(20_000);
  await endsWith(run.start(), "DIVERGED", "DIVERGED");

  await promote(whole);
  await run.insert(50);
  const third = await run.running();
  await run.compare(third);
  expect((await third.end("SIGTERM")).code, third.stderr).toBe(0);
}, 90_000);

/** Brings a copy up as a standby that follows nobody, and makes it the primary. */
async function promote(copy: string): Promise<void> {
  writeFileSync(join(copy, "standby.signal"), "");
  await replaceBy(copy);
  await source.sql("select pg_promote(true, 60)");
}
