// What the transport relies on in pg and pg-logical-replication, against a real server: this file
// fails when an upgrade moves those insides.
import type { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { parseLsn } from "../../src/core/lsn.js";
import { ReplicationTransport } from "../../src/source/replication-transport.js";
import { usePostgres } from "../services/postgres.js";

const { url, sql, name: database } = await usePostgres();
await sql("create table t (id int primary key, note text, raw bytea, at timestamptz, f float4)");
await sql("create publication p for table t");
await sql(`alter database ${database} set datestyle = 'German'`);
await sql(`alter database ${database} set timezone = 'Asia/Kolkata'`);
await sql(`alter database ${database} set bytea_output = 'escape'`);
await sql(`alter database ${database} set extra_float_digits = 0`);

interface Insides extends EventEmitter {
  readonly stream: Socket;
}

interface Opened {
  readonly transport: ReplicationTransport;
  readonly connection: Insides;
  readonly listenersBefore: readonly unknown[];
  readonly texts: string[];
  readonly slot: string;
  /** How often the library's own CopyData event was emitted. */
  copyDataEvents: number;
  until(condition: () => boolean): Promise<void>;
}

let opened = 0;

async function open(): Promise<Opened> {
  const slot = `${database}_${++opened}`;
  const [made] = await sql(
    "select lsn::text from pg_create_logical_replication_slot($1, 'pgoutput')",
    [slot],
  );
  const texts: string[] = [];
  let wake = (): void => {};
  const seen: { connection?: Insides; listenersBefore: readonly unknown[] } = {
    listenersBefore: [],
  };
  const transport = await ReplicationTransport.open({
    url,
    slotName: slot,
    publication: "p",
    walSenderTimeoutMs: 20_000,
    startTimeoutMs: 20_000,
    pauseMs: 0, // its pauses would hide a pause that does not work
    beforeStart: async (_identity, client) => {
      seen.connection = (client as unknown as { connection: Insides }).connection;
      seen.listenersBefore = seen.connection.stream.listeners("data");
      return parseLsn(String(made?.["lsn"]));
    },
    handler: {
      onMessage: (bytes, start, end) =>
        texts.push(Buffer.from(bytes.subarray(start, end)).toString("latin1")),
      onKeepalive: () => {},
    },
    onReadEnd: () => wake(),
  });
  onTestFinished(() => transport.close());
  const connection = seen.connection as Insides;
  const result: Opened = {
    ...{ transport, connection, texts, slot, copyDataEvents: 0 },
    listenersBefore: seen.listenersBefore,
    until: async (condition) => {
      while (!condition()) {
        await new Promise<void>((done) => {
          wake = done;
        });
      }
    },
  };
  connection.on("copyData", () => result.copyDataEvents++);
  return result;
}

/** Waits in the database until the condition on the slot's walsender holds. */
async function serverSays(slot: string, condition: string): Promise<void> {
  for (;;) {
    const [row] = await sql(
      `select ${condition} as holds, pg_sleep(0.02)
       from pg_replication_slots s left join pg_stat_replication r on r.pid = s.active_pid
       where slot_name = $1`,
      [slot],
    );
    if (row?.["holds"] === true) return;
  }
}

test("pg reads its socket with one data listener, which is replaced by one of ours", async () => {
  const { connection, listenersBefore } = await open();
  expect(listenersBefore).toHaveLength(1);
  expect(connection.stream.listeners("data")).toHaveLength(1);
  expect(connection.stream.listeners("data")[0]).not.toBe(listenersBefore[0]);
});

test("CopyData comes to the handler and never reaches the library", async () => {
  const stream = await open();
  expect(stream.connection.listenerCount("copyData")).toBe(3); // pg's, the library's, this test's
  stream.transport.resume();
  await sql("insert into t values (1, 'first')");
  await stream.until(() => stream.texts.some((text) => text.startsWith("C")));
  expect(stream.texts.map((text) => text[0]).join("")).toMatch(/^BRIC/);
  expect(stream.copyDataEvents).toBe(0);
});

test("values are printed in pinned formats whatever the database's settings are", async () => {
  const stream = await open();
  stream.transport.resume();
  await sql(
    "insert into t values (2, '', '\\x00ff', '2026-11-23 06:07:14.5+00', '0.1'::float4 + '0.2')",
  );
  await stream.until(() => stream.texts.some((text) => text.startsWith("C")));
  const row = stream.texts.find((text) => text.startsWith("I")) ?? "";
  expect(row).toContain("\\x00ff");
  expect(row).toContain("2026-11-23 06:07:14.5+00");
  expect(row).toContain("0.3");
  expect(row).toMatch(/0\.(3|30000001)\D*$/);
});

test("reading is paused at the start", async () => {
  const stream = await open();
  const { bytesReceived } = stream.transport;
  await sql("insert into t values (3)");
  await serverSays(stream.slot, "r.sent_lsn > s.confirmed_flush_lsn");
  expect(stream.connection.stream.isPaused()).toBe(true);
  expect(stream.transport.bytesReceived).toBe(bytesReceived);
  expect(stream.texts).toEqual([]);
  stream.transport.resume();
  await stream.until(() => stream.texts.length > 0);
});

test("pause stops the socket itself, so that the server has to wait", async () => {
  const stream = await open();
  stream.transport.resume();
  await sql("insert into t values (4)");
  await stream.until(() => stream.texts.some((text) => text.startsWith("C")));
  stream.transport.pause();
  await sql("insert into t select n, repeat('x', 1000) from generate_series(100000, 150000) as n");
  // The walsender waits for its client once the kernel's buffers are full.
  await serverSays(
    stream.slot,
    `exists (select from pg_stat_activity a
             where a.pid = s.active_pid and a.wait_event = 'WalSenderWriteData')`,
  );
  const { bytesRead } = stream.connection.stream;
  const { bytesReceived } = stream.transport;
  await sql("select pg_sleep(0.1)");
  expect(stream.connection.stream.bytesRead).toBe(bytesRead);
  expect(stream.transport.bytesReceived).toBe(bytesReceived);
  stream.transport.resume();
  await stream.until(() => stream.texts.filter((text) => text.startsWith("C")).length === 2);
  expect(stream.texts.filter((text) => text.startsWith("I"))).toHaveLength(50_002);
});

test("close releases the slot within a second, also from under back-pressure", async () => {
  const stream = await open();
  await sql("insert into t select n, repeat('x', 1000) from generate_series(200000, 230000) as n");
  await serverSays(stream.slot, "s.active");
  const from = performance.now();
  await stream.transport.close();
  await serverSays(stream.slot, "not s.active");
  expect(performance.now() - from).toBeLessThan(1000);
  await expect(stream.transport.closed).resolves.toBeUndefined();
});

test("a terminated walsender is an error with a code", async () => {
  const stream = await open();
  stream.transport.resume();
  await sql(
    "select pg_terminate_backend(active_pid) from pg_replication_slots where slot_name = $1",
    [stream.slot],
  );
  await expect(stream.transport.closed).rejects.toMatchObject({ code: "SOURCE_UNREACHABLE" });
});

test("a slot that does not exist is SLOT_MISSING, and the connection is given up", async () => {
  const opening = ReplicationTransport.open({
    url,
    slotName: `${database}_none`,
    publication: "p",
    walSenderTimeoutMs: 20_000,
    startTimeoutMs: 20_000,
    beforeStart: async () => 0n,
    handler: { onMessage: () => {}, onKeepalive: () => {} },
    onReadEnd: () => {},
  });
  await expect(opening).rejects.toMatchObject({ code: "SLOT_MISSING" });
});
