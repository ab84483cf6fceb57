import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { startPostgres } from "../../src/cli/embedded/postgres-server.js";
import { unprivilegedAccount } from "../../src/cli/embedded/unprivileged-account.js";
import { ownPostgres, usePostgres } from "../services/postgres.js";
import { openSql } from "../services/sql.js";
import { becomes, isListening, startElsewhere } from "./orphan.js";

function persistentDir(): string {
  const folder = mkdtempSync(join(tmpdir(), "tidemark-test-"));
  // Under root the server has another account, which must be able to enter.
  chmodSync(folder, 0o755);
  onTestFinished(() => rmSync(folder, { recursive: true, force: true, maxRetries: 20 }));
  return join(folder, "data");
}

describe("a server from binaries", async () => {
  const server = await ownPostgres({ settings: { work_mem: "5MB" } });

  test("is ready for logical replication and takes settings", async () => {
    expect(await server.sql("show wal_level")).toEqual([{ wal_level: "logical" }]);
    expect(await server.sql("show work_mem")).toEqual([{ work_mem: "5MB" }]);
    expect(await server.sql("show server_encoding")).toEqual([{ server_encoding: "UTF8" }]);
  });

  test("keeps its data and address over a restart", async () => {
    await server.sql("create table kept as select 7 as n");
    await server.restart();
    expect(server.isRunning()).toBe(true);
    expect(await server.sql("select n from kept")).toEqual([{ n: 7 }]);
  });

  test("recovers after a kill", async () => {
    await server.sql("create table survived as select 8 as n");
    await server.kill();
    expect(server.isRunning()).toBe(false);
    expect(await isListening(server.url)).toBe(false);
    await server.start();
    expect(await server.sql("select n from survived")).toEqual([{ n: 8 }]);
    expect(readFileSync(join(server.dataDir, "server.log"), "utf8")).toContain("was not properly");
  });

  test("is down between stop and start", async () => {
    await server.stop("immediate");
    expect(await isListening(server.url)).toBe(false);
    await server.start();
    expect(await server.sql("select 1 as one")).toEqual([{ one: 1 }]);
  });
});

test.each([16, 17] as const)("version %i starts", async (version) => {
  const server = await startPostgres({ version });
  onTestFinished(() => server.close());
  const { sql, close } = openSql(server.url);
  const [row] = await sql("show server_version");
  await close();
  expect(row?.["server_version"]).toMatch(new RegExp(`^${version}\\.`));
});

test("closing a temporary server removes its folder", async () => {
  const server = await startPostgres();
  await server.close();
  expect(existsSync(server.dataDir)).toBe(false);
  expect(await isListening(server.url)).toBe(false);
});

test("a temporary server is gone soon after its parent was killed", async () => {
  const orphan = await startElsewhere("postgres");
  expect(await isListening(orphan.url)).toBe(true);
  await orphan.killParent();
  expect(await becomes(async () => !(await isListening(orphan.url)))).toBe(true);
  expect(await becomes(() => !existsSync(orphan.dataDir))).toBe(true);
});

test("a named folder can be used again right after its user was killed", async () => {
  const orphan = await startElsewhere("postgres", persistentDir());
  await orphan.killParent();
  const server = await startPostgres({ dataDir: orphan.dataDir });
  await server.close();
  expect(existsSync(join(orphan.dataDir, "PG_VERSION"))).toBe(true);
});

test("a pid file whose number now belongs to another program prevents no start", async () => {
  const dataDir = persistentDir();
  await (await startPostgres({ dataDir })).close();
  // Of the server's account: PostgreSQL itself sees through the process of another account.
  const other = spawn("sleep", ["60"], { ...unprivilegedAccount() });
  onTestFinished(() => void other.kill());
  writeFileSync(join(dataDir, "postmaster.pid"), `${other.pid}\n${dataDir}\n`);
  const server = await startPostgres({ dataDir });
  expect(server.isRunning()).toBe(true);
  await server.close();
});

test("a folder in use is refused with the process id of its server", async () => {
  const dataDir = persistentDir();
  const server = await startPostgres({ dataDir });
  onTestFinished(() => server.close());
  await expect(startPostgres({ dataDir })).rejects.toMatchObject({
    code: "SERVICE_START_FAILED",
    message: expect.stringMatching(/in use by the server with process id \d+/),
  });
});

test("a server that does not come up reports the end of its log", async () => {
  await expect(startPostgres({ settings: { wal_level: "wrong" } })).rejects.toMatchObject({
    code: "SERVICE_START_FAILED",
    message: expect.stringContaining('invalid value for parameter "wal_level": "wrong"'),
  });
});

describe("the shared server", async () => {
  const postgres = await usePostgres();

  test("gives each caller a database of its own", async () => {
    const other = await postgres.createDatabase();
    await postgres.sql("create table here()");
    const tables = "select 1 from pg_tables where tablename = 'here'";
    expect(await postgres.sql(tables)).toHaveLength(1);
    expect(await other.sql(tables)).toHaveLength(0);
  });

  test("allows logical slots", async () => {
    const make = "select slot_name from pg_create_logical_replication_slot($1, 'pgoutput')";
    expect(await postgres.sql(make, [postgres.name])).toEqual([{ slot_name: postgres.name }]);
  });
});
