import { describe, expect, test } from "vitest";
import { PostgresCheckpointStore } from "../../src/checkpoint/postgres-store.js";
import { sqlConnect } from "../../src/source/sql-client.js";
import { checkpointStoreCases } from "../conformance/checkpoint-store.js";
import { usePostgres } from "../services/postgres.js";
import { uniqueName } from "../services/shared-service.js";
import type { Sql } from "../services/sql.js";

const { url, sql, createDatabase } = await usePostgres();
const connect = sqlConnect({ url, role: "checkpoint", applicationName: "tidemark test" });

describe("the checkpoint store in PostgreSQL", () => {
  let made = 0;

  test.each(Object.entries(checkpointStoreCases))("%s", async (_, run) => {
    const pipeline = `p${made++}`;
    await run(() => new PostgresCheckpointStore(connect, pipeline));
  });

  test("two pipelines do not see each other", async () => {
    const [a, b] = ["left", "right"].map((name) => new PostgresCheckpointStore(connect, name));
    await a?.open();
    await a?.claim(3, { systemId: "1", timeline: 1, lsn: 5n });
    expect(await b?.open()).toBeNull();
    await b?.reset();
    expect((await a?.load())?.position.lsn).toBe(5n);
    await Promise.all([a?.close(), b?.close()]);
  });

  test("blocks that need several statements are saved whole", async () => {
    const store = new PostgresCheckpointStore(connect, "large");
    await store.open();
    await store.claim(1, { systemId: "1", timeline: 1, lsn: 5n });
    const sizes = [1, 9_000_000, 300_000, 600_000, 100_000, 200_000, 7];
    const blocks = sizes.map((size, block) => {
      return { operator: "w", block, bytes: new Uint8Array(size).fill(block) };
    });
    await store.save({ epoch: 1, position: { systemId: "1", timeline: 1, lsn: 9n }, blocks });
    const loaded = [...(await store.load()).blocks].sort((a, b) => a.block - b.block);
    expect(loaded.map(({ bytes }) => bytes.length)).toEqual(sizes);
    expect(loaded.every(({ bytes, block }) => bytes.every((byte) => byte === block))).toBe(true);
    await store.close();
  });

  test("an epoch that is fenced while its transaction runs saves nothing", async () => {
    const store = new PostgresCheckpointStore(connect, "race");
    await store.open();
    await store.claim(1, { systemId: "1", timeline: 1, lsn: 5n });
    const other = await connect();
    await other.query("begin");
    await other.query("update tidemark.checkpoint set epoch = 2 where pipeline = 'race'");
    const blocks = [{ operator: "w", block: 0, bytes: Uint8Array.of(1) }];
    const position = { systemId: "1", timeline: 1, lsn: 9n };
    const saving = store.save({ epoch: 1, position, blocks });
    saving.catch(() => {});
    await waitsForLock();
    await other.query("commit");
    await expect(saving).rejects.toMatchObject({ code: "FENCED" });
    expect(await store.load()).toMatchObject({ position: { lsn: 5n }, blocks: [] });
    await Promise.all([store.close(), other.end()]);
  });
});

const at = (lsn: bigint) => ({ systemId: "1", timeline: 1, lsn });
const block = (operator: string, number: number, text: string) => {
  return { operator, block: number, bytes: new TextEncoder().encode(text) };
};

/** Saves blocks w/0, w/1 and v/0, then w/1 anew, and returns the store of the next run. */
async function savedTwice(pipeline: string): Promise<PostgresCheckpointStore> {
  const store = new PostgresCheckpointStore(connect, pipeline);
  await store.open();
  await store.claim(1, at(100n));
  const blocks = [block("w", 0, "a"), block("w", 1, "b"), block("v", 0, "c")];
  await store.save({ epoch: 1, position: at(200n), blocks });
  await store.save({ epoch: 1, position: at(300n), blocks: [block("w", 1, "B")] });
  await store.close();
  const next = new PostgresCheckpointStore(connect, pipeline);
  await next.open();
  await next.claim(2, at(300n));
  return next;
}

describe("rows of tidemark.checkpoint_block that do not fit the checkpoint", () => {
  const table = "tidemark.checkpoint_block";

  test.each<[string, string, string]>([
    [
      "one was deleted",
      `delete from ${table} where pipeline = $1 and operator = 'v'`,
      "has 2 blocks where 3 were saved",
    ],
    [
      "one was added",
      `insert into ${table} values ($1, 'v', 7, 'c')`,
      "has 4 blocks where 3 were saved",
    ],
    ["all were deleted", `delete from ${table} where pipeline = $1`, "has 0 blocks where 3"],
    [
      "one was renumbered",
      `update ${table} set block = 5 where pipeline = $1 and operator = 'v'`,
      "not the ones that were saved",
    ],
    [
      "two were exchanged",
      `update ${table} set bytes = case block when 0 then 'B'::bytea else 'a' end
       where pipeline = $1 and operator = 'w'`,
      "not the ones that were saved",
    ],
    [
      "one is the version before",
      `update ${table} set bytes = 'b' where pipeline = $1 and operator = 'w' and block = 1`,
      "not the ones that were saved",
    ],
  ])("are refused when %s", async (harm, statement, why) => {
    const pipeline = `harmed: ${harm}`;
    const store = await savedTwice(pipeline);
    expect((await store.load()).blocks).toHaveLength(3);
    await sql(statement, [pipeline]);
    await expect(store.load()).rejects.toMatchObject({
      code: "CHECKPOINT_CORRUPT",
      message: expect.stringContaining(why),
    });
    await store.close();
  });

  test("are noticed after later saves, too", async () => {
    const store = await savedTwice("harmed while it runs");
    await store.load();
    await sql(`delete from ${table} where pipeline = 'harmed while it runs' and operator = 'v'`);
    await store.save({ epoch: 2, position: at(400n), blocks: [block("w", 0, "A")] });
    await expect(store.load()).rejects.toMatchObject({ code: "CHECKPOINT_CORRUPT" });
    await store.close();
  });
});

describe("tables of an older Tidemark", () => {
  test("are completed; what they hold is taken as it is, the next save proves it", async () => {
    const old = await createDatabase();
    const connectOld = sqlConnect({ url: old.url, role: "checkpoint", applicationName: "test" });
    const open = async () => {
      const store = new PostgresCheckpointStore(connectOld, "p");
      await store.open();
      return store;
    };
    await makeOldTables(old.sql);
    const store = await open();
    await store.claim(5, at(100n));
    expect((await store.load()).blocks).toHaveLength(1);
    await store.save({ epoch: 5, position: at(300n), blocks: [block("w", 1, "b")] });
    await store.close();
    const next = await open();
    expect((await next.load()).blocks).toHaveLength(2);
    await old.sql("delete from tidemark.checkpoint_block where block = 0");
    await expect(next.load()).rejects.toMatchObject({ code: "CHECKPOINT_CORRUPT" });
    await next.close();
  });

  test("that belong to another role are refused with the statement for their owner", async () => {
    const old = await createDatabase();
    await makeOldTables(old.sql);
    const role = uniqueName("guest");
    await old.sql(`create role ${role} login password 'guest'`);
    await old.sql(`grant usage on schema tidemark to ${role}`);
    await old.sql(
      `grant select, insert, update, delete on all tables in schema tidemark to ${role}`,
    );
    const url = new URL(old.url);
    url.username = role;
    url.password = "guest";
    const guest = { url: url.href, role: "checkpoint", applicationName: "test" } as const;
    const store = new PostgresCheckpointStore(sqlConnect(guest), "p");
    const refused = await store.open().catch((error: unknown) => error);
    expect(refused).toMatchObject({ code: "CHECKPOINT_REFUSED" });
    await old.sql(/alter table.*;/.exec(String(refused))?.[0] ?? "");
    expect(await store.open()).toMatchObject({ epoch: 4 });
    await store.close();
    await old.sql(`drop owned by ${role}`);
    await old.sql(`drop role ${role}`);
  });
});

async function makeOldTables(run: Sql): Promise<void> {
  await run("create schema tidemark");
  await run(
    `create table tidemark.checkpoint (
       pipeline text primary key, epoch bigint not null, system_id text, timeline integer,
       lsn pg_lsn, updated_at timestamptz not null default now())`,
  );
  await run(
    `create table tidemark.checkpoint_block (
       pipeline text not null references tidemark.checkpoint on delete cascade,
       operator text not null, block integer not null, bytes bytea not null,
       primary key (pipeline, operator, block))`,
  );
  await run("insert into tidemark.checkpoint values ('p', 4, '1', 1, '0/64')");
  await run("insert into tidemark.checkpoint_block values ('p', 'w', 0, 'a')");
}

/** Resolves when a session of the store waits for another one's lock. */
async function waitsForLock(): Promise<void> {
  for (;;) {
    const waiting = await sql(
      "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()",
    );
    if (waiting.length > 0) return;
  }
}
