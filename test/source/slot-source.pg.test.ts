import pg from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Position } from "../../src/core/position.js";
import type { ChangeStream, StreamRequest } from "../../src/core/source.js";
import { createSlot } from "../../src/source/slot.js";
import { SlotSource, type SlotSourceOptions } from "../../src/source/slot-source.js";
import { sqlConnect } from "../../src/source/sql-client.js";
import { StreamRecorder, sourceOptions, streamRequest } from "../fixtures/stream-recorder.js";
import { usePostgres } from "../services/postgres.js";

const postgres = await usePostgres();
const { url, sql, name: database } = postgres;
await sql("create table t (id int primary key, note text)");

let made = 0;
const newName = (): string => `${database}_${++made}`;

function sourceOf(slotName: string, changes: Partial<SlotSourceOptions> = {}): SlotSource {
  return new SlotSource(sourceOptions(url, { slotName, ...changes }));
}

/** Opens a stream that is closed with the test. */
async function open(source: SlotSource, request: StreamRequest): Promise<ChangeStream> {
  const stream = await source.open(request);
  onTestFinished(() => stream.close());
  return stream;
}

/** A slot with its publication, read by nobody, and the position of its birth. */
async function born(slotName: string): Promise<Position> {
  const stream = await sourceOf(slotName).open(streamRequest(null));
  await stream.close();
  for (let isActive = true; isActive; ) {
    const [row] = await sql(
      "select active, pg_sleep(0.01) from pg_replication_slots where slot_name = $1",
      [slotName],
    );
    isActive = row?.["active"] === true;
  }
  return stream.position;
}

async function slotExists(slotName: string): Promise<boolean> {
  const rows = await sql("select 1 from pg_replication_slots where slot_name = $1", [slotName]);
  return rows.length > 0;
}

describe("a first start", () => {
  test("creates the publication, records the birth, creates the slot, streams", async () => {
    const slot = newName();
    const recorder = new StreamRecorder();
    const atBirth: boolean[] = [];
    const stream = await open(
      sourceOf(slot),
      streamRequest(null, recorder, async () => {
        atBirth.push(await slotExists(slot));
        const pubs = await sql("select 1 from pg_publication where pubname = $1", [`${slot}_pub`]);
        atBirth.push(pubs.length === 1);
      }),
    );
    expect(atBirth).toEqual([false, true]);
    expect(stream.position.systemId).toMatch(/^\d+$/);
    stream.resume();
    await sql("insert into t values (1, 'a')");
    await recorder.until(() => recorder.committed.length > 0);
    expect(recorder.lines[0]).toMatch(/insert public.t - -> \("1", "a"\)$/);
    expect(stream.bytesReceived).toBeGreaterThan(0);
  });

  test("after a birth that stopped before its checkpoint begins where its slot does", async () => {
    const slot = newName();
    const first = await born(slot);
    await sql("insert into t values (2, 'between')");
    const stream = await open(sourceOf(slot), {
      ...streamRequest(null),
      readCheckpoint: async () => ({ position: null, epoch: 0, earlier: [] }),
    });
    expect(stream.position.lsn).toBe(first.lsn);
  });

  test("without leave to create the publication creates neither it nor the slot", async () => {
    const slot = newName();
    const source = sourceOf(slot, { mayCreatePublication: false });
    await expect(source.open(streamRequest(null))).rejects.toMatchObject({
      code: "PUBLICATION_MISSING",
      message: expect.stringContaining(`CREATE PUBLICATION "${slot}_pub" FOR TABLE "public"."t"`),
    });
    expect(await slotExists(slot)).toBe(false);
  });

  test("a publication without the table is refused with the statement that adds it", async () => {
    const slot = newName();
    await sql(`create publication ${slot}_pub`);
    await expect(sourceOf(slot).open(streamRequest(null))).rejects.toMatchObject({
      code: "SOURCE_TABLE_MISSING",
      message: expect.stringContaining(`ALTER PUBLICATION "${slot}_pub" ADD TABLE "public"."t"`),
    });
  });

  test("with a publication that leaves out changes that are followed is refused", async () => {
    const slot = newName();
    await sql(`create publication ${slot}_pub for table t with (publish = 'insert, truncate')`);
    await open(sourceOf(slot), streamRequest(null)); // inserts are enough for these
    const other = newName();
    const following = sourceOf(other, { publication: `${slot}_pub`, kinds: "all" });
    await expect(following.open(streamRequest(null))).rejects.toMatchObject({
      code: "PUBLICATION_INCOMPLETE",
      message: expect.stringContaining("SET (publish = 'insert, update, delete, truncate')"),
    });
    expect(await slotExists(other)).toBe(false);
  });

  test("over a table that has rows and has to be empty is refused without a slot", async () => {
    const slot = newName();
    await sql("create table full_house (id int primary key)");
    await sql("insert into full_house values (1)");
    const tables = { tables: ["public.full_house"], emptyTables: ["public.full_house"] };
    await expect(sourceOf(slot, tables).open(streamRequest(null))).rejects.toMatchObject({
      code: "SOURCE_NOT_EMPTY",
    });
    expect(await slotExists(slot)).toBe(false);
    await sql("delete from full_house");
    await open(sourceOf(slot, tables), streamRequest(null));
  });

  test("FM45: a table without replica identity keeps its updates and deletes", async () => {
    await sql("create table keyless (id int)");
    await sql("insert into keyless values (1)");
    const source = sourceOf(newName(), { tables: ["public.keyless"] });
    await open(source, streamRequest(null));
    await sql("update keyless set id = 2");
    await sql("delete from keyless");
  });

  test("a partitioned table is published under its own name", async () => {
    const slot = newName();
    await sql("create table parts (id int primary key) partition by range (id)");
    await sql("create table parts_1 partition of parts for values from (0) to (100)");
    const recorder = new StreamRecorder();
    const changes = { tables: ["public.parts"] };
    const first = await open(sourceOf(slot, changes), streamRequest(null, recorder));
    first.resume();
    await sql("insert into parts values (7)");
    await recorder.until(() => recorder.committed.length > 0);
    expect(recorder.lines[0]).toMatch(/insert public.parts - -> \("7"\)$/);
    await first.close();
    await open(sourceOf(slot, changes), streamRequest(first.position));
  });
});

describe("a later start", () => {
  test("goes on after the checkpoint", async () => {
    const slot = newName();
    const position = await born(slot);
    await sql("insert into t values (10, 'while away')");
    const recorder = new StreamRecorder();
    const stream = await open(sourceOf(slot), streamRequest(position, recorder));
    expect(stream.position).toEqual(position);
    stream.resume();
    await recorder.until(() => recorder.committed.length > 0);
    expect(recorder.lines[0]).toContain('("10", "while away")');
  });

  test("adopts a slot of unknown past only when told", async () => {
    const slot = newName();
    const position = await born(slot);
    await expect(sourceOf(slot).open(streamRequest(null))).rejects.toMatchObject({
      code: "SLOT_WITHOUT_CHECKPOINT",
    });
    const stream = await open(sourceOf(slot, { mayAdoptSlot: true }), streamRequest(null));
    expect(stream.position).toEqual(position);
  });

  test("a slot advanced by hand is SLOT_AHEAD", async () => {
    const slot = newName();
    const position = await born(slot);
    await sql("insert into t values (11, 'skipped')");
    await sql("select pg_replication_slot_advance($1, pg_current_wal_lsn())", [slot]);
    await expect(sourceOf(slot).open(streamRequest(position))).rejects.toMatchObject({
      code: "SLOT_AHEAD",
    });
  });

  test("FM21: a dropped slot is SLOT_MISSING, one made again SLOT_AHEAD", async () => {
    const slot = newName();
    const position = await born(slot);
    await sql("select pg_drop_replication_slot($1)", [slot]);
    await expect(sourceOf(slot).open(streamRequest(position))).rejects.toMatchObject({
      code: "SLOT_MISSING",
    });
    await sql("insert into t values (12, 'lost')");
    await sql("select pg_create_logical_replication_slot($1, 'pgoutput')", [slot]);
    await expect(sourceOf(slot).open(streamRequest(position))).rejects.toMatchObject({
      code: "SLOT_AHEAD",
    });
  });

  test("a slot of another database is SLOT_FOREIGN", async () => {
    const slot = newName();
    const other = await postgres.createDatabase();
    await other.sql("select pg_create_logical_replication_slot($1, 'pgoutput')", [slot]);
    await expect(sourceOf(slot).open(streamRequest(null))).rejects.toMatchObject({
      code: "SLOT_FOREIGN",
      message: expect.stringContaining(other.name),
    });
  });

  test("results that hold what the server never had are DIVERGED", async () => {
    const slot = newName();
    const position = await born(slot);
    const results = { ...position, lsn: position.lsn + 2n ** 40n };
    const opening = sourceOf(slot).open({ ...streamRequest(position), results });
    await expect(opening).rejects.toMatchObject({ code: "DIVERGED" });
  });

  test("a checkpoint of another cluster or beyond the WAL is refused", async () => {
    const slot = newName();
    const position = await born(slot);
    const elsewhere = { ...position, systemId: "1" };
    const beyond = { ...position, lsn: position.lsn + 2n ** 40n };
    const source = sourceOf(slot);
    await expect(source.open(streamRequest(elsewhere))).rejects.toMatchObject({
      code: "OTHER_SYSTEM",
    });
    await expect(source.open(streamRequest(beyond))).rejects.toMatchObject({ code: "DIVERGED" });
    await open(source, streamRequest(position));
  });

  test("FM41: a publication that vanished is not made again for the backlog", async () => {
    const slot = newName();
    const position = await born(slot);
    await sql(`drop publication ${slot}_pub`);
    await expect(sourceOf(slot).open(streamRequest(position))).rejects.toMatchObject({
      code: "PUBLICATION_MISSING",
    });
    expect(await sql("select 1 from pg_publication where pubname = $1", [`${slot}_pub`])).toEqual(
      [],
    );
  });
});

describe("a slot that is read", () => {
  test("FM24: by another walsender, is SLOT_ACTIVE with its PID after the wait", async () => {
    const slot = newName();
    const holder = await open(sourceOf(slot), streamRequest(null));
    const [row] = await sql<{ pid: number }>(
      "select active_pid as pid from pg_replication_slots where slot_name = $1",
      [slot],
    );
    const from = performance.now();
    const opening = sourceOf(slot, { slotWaitMs: 300 }).open(streamRequest(holder.position));
    await expect(opening).rejects.toMatchObject({
      code: "SLOT_ACTIVE",
      detail: { slot, pid: row?.pid },
      message: expect.stringContaining(`PID ${row?.pid}, application "tidemark ${slot}"`),
    });
    expect(performance.now() - from).toBeGreaterThan(300);
  });

  test("is waited for", async () => {
    const slot = newName();
    const holder = await open(sourceOf(slot), streamRequest(null));
    const opening = open(sourceOf(slot), streamRequest(holder.position));
    await holder.close();
    await expect(opening).resolves.toMatchObject({ position: holder.position });
  });
});

describe("while the stream runs", () => {
  test.each([
    ["a dropped publication", "drop publication", "", "PUBLICATION_MISSING"],
    ["a table taken out of it", "alter publication", "drop table t", "SOURCE_TABLE_MISSING"],
  ])("%s is noticed by the watch", async (_title, verb, rest, code) => {
    const slot = newName();
    const stream = await open(sourceOf(slot, { watchIntervalMs: 50 }), streamRequest(null));
    stream.resume();
    await sql(`${verb} ${slot}_pub ${rest}`);
    await expect(stream.closed).rejects.toMatchObject({ code });
  });

  test("the watch leaves no session behind", async () => {
    const slot = newName();
    const stream = await open(sourceOf(slot, { watchIntervalMs: 20 }), streamRequest(null));
    await sql("select pg_sleep(0.3)");
    await stream.close();
    for (let left = 1; left > 0; ) {
      const [row] = await sql<{ count: number }>(
        `select count(*)::int as count, pg_sleep(0.02) from pg_stat_activity
         where application_name like $1`,
        [`tidemark ${slot}%`],
      );
      left = row?.count ?? 0;
    }
  });

  test("the server shows write, flush and apply apart", async () => {
    const slot = newName();
    const recorder = new StreamRecorder();
    const stream = await open(sourceOf(slot), streamRequest(null, recorder));
    stream.resume();
    await sql("insert into t values (20, 'x'), (21, 'y')");
    await recorder.until(() => recorder.committed.length > 0);
    const end = recorder.committed[0]?.commitEndLsn as bigint;
    stream.report(stream.position.lsn, end);
    for (let isShown = false; !isShown; ) {
      const [row] = await sql(
        `select r.replay_lsn - '0/0' = $2::numeric and r.flush_lsn - '0/0' = $3::numeric
                and r.write_lsn >= r.replay_lsn as shown, pg_sleep(0.01)
         from pg_replication_slots s join pg_stat_replication r on r.pid = s.active_pid
         where slot_name = $1`,
        [slot, String(end), String(stream.position.lsn)],
      );
      isShown = row?.["shown"] === true;
    }
  });
});

test("reset drops the slot, and is content with none", async () => {
  const slot = newName();
  const source = sourceOf(slot);
  await born(slot);
  await source.reset();
  expect(await slotExists(slot)).toBe(false);
  await expect(source.reset()).resolves.toBeUndefined();
});

test("FM23: a slot whose creation waits too long for an open transaction is given up", async () => {
  const slot = newName();
  const writer = new pg.Client(url);
  await writer.connect();
  onTestFinished(() => writer.end());
  await writer.query("begin");
  await writer.query("insert into t values (30, 'open')");
  const session = await sqlConnect({ url, role: "source", applicationName: "test" })();
  onTestFinished(() => session.end());
  await expect(
    createSlot(session, { slotName: slot, plugin: "pgoutput" }, 200),
  ).rejects.toMatchObject({ retry: "backoff" });
  expect(await slotExists(slot)).toBe(false);
  await writer.query("rollback");
  await expect(
    createSlot(session, { slotName: slot, plugin: "pgoutput" }, 5000),
  ).resolves.toBeGreaterThan(0n);
});
