import { describe, expect, onTestFinished, test } from "vitest";
import { readServerSettings, requireReplication } from "../../src/source/server-facts.js";
import { SlotSource } from "../../src/source/slot-source.js";
import { sqlConnect } from "../../src/source/sql-client.js";
import { StreamRecorder, sourceOptions, streamRequest } from "../fixtures/stream-recorder.js";
import { ownPostgres, usePostgres } from "../services/postgres.js";

function open(url: string, slotName: string): Promise<unknown> {
  return new SlotSource(sourceOptions(url, { slotName })).open(streamRequest(null));
}

describe("a role", async () => {
  const { url, sql, name } = await usePostgres();
  await sql("create table t (id int primary key)");

  test("without REPLICATION is refused with the statement that gives it", async () => {
    const role = `${name}_reader`;
    await sql(`create role ${role} login password 'secret'`);
    onTestFinished(async () => {
      await sql(`drop role ${role}`);
    });
    const own = new URL(url);
    own.username = role;
    own.password = "secret";
    await expect(open(own.href, "any")).rejects.toMatchObject({
      code: "SOURCE_PRIVILEGE",
      message: expect.stringContaining(`ALTER ROLE "${role}" REPLICATION`),
    });
  });

  test("that does not exist is SOURCE_AUTH, and the password is in no message", async () => {
    const wrong = new URL(url);
    wrong.username = "nobody_here";
    wrong.password = "hunter2";
    const refusal = await open(wrong.href, "any").catch((error: unknown) => error);
    expect(refusal).toMatchObject({ code: "SOURCE_AUTH" });
    expect(JSON.stringify([String(refusal), refusal])).not.toContain("hunter2");
  });

  test("of a database that does not exist is CONFIG_INVALID", async () => {
    const wrong = new URL(url);
    wrong.pathname = "/nowhere_here";
    await expect(open(wrong.href, "any")).rejects.toMatchObject({ code: "CONFIG_INVALID" });
  });

  test("of a server that does not answer is SOURCE_UNREACHABLE", async () => {
    await expect(open("postgres://x:y@127.0.0.1:1/z", "any")).rejects.toMatchObject({
      code: "SOURCE_UNREACHABLE",
    });
  });

  test("that may replicate sees the server's settings", async () => {
    const session = await sqlConnect({ url, role: "source", applicationName: "test" })();
    onTestFinished(() => session.end());
    const settings = await readServerSettings(session);
    expect(settings).toMatchObject({
      walLevel: "logical",
      database: name,
      canReplicate: true,
      canCreateInDatabase: true,
      maxSlotWalKeepMb: -1,
      idleSlotTimeoutS: 0,
    });
    expect(settings.versionNum).toBeGreaterThanOrEqual(180_000);
    expect(() => requireReplication({ ...settings, slotsUsed: 0 }, true)).not.toThrow();
    expect(() => requireReplication({ ...settings, versionNum: 130_000 }, false)).toThrow(
      expect.objectContaining({ code: "SOURCE_TOO_OLD" }),
    );
  });
});

test("wal_level = replica is SOURCE_WAL_LEVEL", async () => {
  const server = await ownPostgres({ settings: { wal_level: "replica" } });
  await server.sql("create table t (id int primary key)");
  await expect(open(server.url, "any")).rejects.toMatchObject({
    code: "SOURCE_WAL_LEVEL",
    message: expect.stringContaining("ALTER SYSTEM SET wal_level = 'logical'"),
  });
});

describe("a server with two slots and little WAL", async () => {
  const server = await ownPostgres({
    settings: { max_replication_slots: "2", max_slot_wal_keep_size: "1MB", wal_keep_size: "0" },
  });
  await server.sql("create table t (id int primary key)");

  test("without a free slot is SLOT_LIMIT, before anything is recorded", async () => {
    for (const slot of ["one", "two"]) {
      await server.sql("select pg_create_logical_replication_slot($1, 'pgoutput')", [slot]);
    }
    const request = streamRequest(null, new StreamRecorder(), () => expect.unreachable());
    const source = new SlotSource(sourceOptions(server.url, { slotName: "three" }));
    await expect(source.open(request)).rejects.toMatchObject({ code: "SLOT_LIMIT" });
    for (const slot of ["one", "two"])
      await server.sql("select pg_drop_replication_slot($1)", [slot]);
  });

  test("FM22: an invalidated slot is SLOT_LOST, idle and while it is read", async () => {
    const source = new SlotSource(sourceOptions(server.url, { slotName: "kept" }));
    const stream = await source.open(streamRequest(null));
    stream.pause();
    const ended = stream.closed.catch((error: unknown) => error);
    for (let segment = 0; segment < 4; segment++) {
      await server.sql("select pg_logical_emit_message(false, 'test', 'fill')");
      await server.sql("select pg_switch_wal()");
    }
    await server.sql("checkpoint");
    const [slot] = await server.sql("select wal_status from pg_replication_slots");
    expect(slot).toEqual({ wal_status: "lost" });
    stream.resume();
    expect(await ended).toMatchObject({ domain: expect.stringMatching(/source|state/) });
    await expect(source.open(streamRequest(stream.position))).rejects.toMatchObject({
      code: "SLOT_LOST",
    });
    const adopting = new SlotSource(
      sourceOptions(server.url, { slotName: "kept", mayAdoptSlot: true }),
    );
    await expect(adopting.open(streamRequest(null))).rejects.toMatchObject({ code: "SLOT_LOST" });
    await source.reset();
  });
});
