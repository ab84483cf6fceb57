// A commit record may begin exactly where the one before ends. The server skips a transaction when
// its commit record starts before the confirmed position, so a consumer that confirms one byte
// more than the end of T1 loses T2 without any error.
import pg from "pg";
import { expect, test } from "vitest";
import { formatLsn, type Lsn } from "../../src/core/lsn.js";
import type { Position } from "../../src/core/position.js";
import type { ChangeStream } from "../../src/core/source.js";
import { SlotSource } from "../../src/source/slot-source.js";
import { StreamRecorder, sourceOptions, streamRequest } from "../fixtures/stream-recorder.js";
import { usePostgres } from "../services/postgres.js";

const { url, sql, name: database } = await usePostgres();
await sql("create table t (id int primary key)");

/** Commits of the slot's backlog as [start, end] of their records. */
async function backlog(slot: string): Promise<[Lsn, Lsn][]> {
  const rows = await sql<{ data: Buffer }>(
    `select data from pg_logical_slot_peek_binary_changes($1, null, null,
       'proto_version', '1', 'publication_names', $2)`,
    [slot, `${slot}_pub`],
  );
  return rows
    .filter(({ data }) => data[0] === "C".charCodeAt(0))
    .map(({ data }) => [data.readBigUInt64BE(2), data.readBigUInt64BE(10)]);
}

/** Commits two transactions whose commit records touch; their rows are `id` and `id` + 1. */
async function commitTogether(slot: string, firstId: number): Promise<[number, Lsn]> {
  const sessions = [new pg.Client(url), new pg.Client(url)] as const;
  const [a, b] = sessions;
  await Promise.all(sessions.map((session) => session.connect()));
  try {
    for (let id = firstId; id < firstId + 400; id += 2) {
      await Promise.all(sessions.map((session) => session.query("begin")));
      await a.query("insert into t values ($1)", [id]);
      await b.query("insert into t values ($1)", [id + 1]);
      await Promise.all(sessions.map((session) => session.query("commit")));
      const [first, second] = (await backlog(slot)).slice(-2);
      if (first !== undefined && first[1] === second?.[0]) return [id, first[1]];
    }
  } finally {
    await Promise.all(sessions.map((session) => session.end()));
  }
  throw new Error("no two commit records touched in 200 attempts");
}

/** Waits until the walsender has let go of the slot. */
async function released(slot: string): Promise<void> {
  for (let isActive = true; isActive; ) {
    const [row] = await sql(
      "select active, pg_sleep(0.01) from pg_replication_slots where slot_name = $1",
      [slot],
    );
    isActive = row?.["active"] === true;
  }
}

async function confirmed(slot: string, lsn: Lsn): Promise<void> {
  for (;;) {
    const [row] = await sql(
      `select confirmed_flush_lsn >= $2::pg_lsn as reached, pg_sleep(0.01)
       from pg_replication_slots where slot_name = $1`,
      [slot, formatLsn(lsn)],
    );
    if (row?.["reached"] === true) return;
  }
}

/** A new slot, and where it begins. */
async function newSlot(slotName: string): Promise<{ source: SlotSource; birth: Position }> {
  const source = new SlotSource(sourceOptions(url, { slotName }));
  const stream = await source.open(streamRequest(null));
  await stream.close();
  await released(slotName);
  return { source, birth: stream.position };
}

/** Reads one transaction, reports `endOf` its end, and disconnects. */
async function readOne(
  source: SlotSource,
  checkpoint: Position,
  endOf: (commitEnd: Lsn) => Lsn,
): Promise<{ ids: string[]; position: Position }> {
  const recorder = new StreamRecorder();
  const stream: ChangeStream = await source.open(streamRequest(checkpoint, recorder));
  stream.resume();
  await recorder.until(() => recorder.committed.length > 0);
  const [first] = recorder.committed;
  const lsn = endOf(first?.commitEndLsn as Lsn);
  stream.report(lsn, lsn);
  await stream.close();
  const own = recorder.lines.filter((line) => line.startsWith(`${first?.commitLsn}/`));
  return {
    ids: own.map((line) => /"(\d+)"/.exec(line)?.[1] ?? ""),
    position: { ...checkpoint, lsn },
  };
}

test("FM1, FM6: confirming each end exactly, with a restart after it, loses nothing", async () => {
  const slot = `${database}_exact`;
  const { source, birth } = await newSlot(slot);
  const [id, touch] = await commitTogether(slot, 1);
  const expected = (await sql<{ id: string }>("select id::text from t")).map((row) => row.id);
  let position = birth;
  const seen: string[] = [];
  let hasTouched = false;
  while (seen.length < expected.length) {
    const { ids, position: next } = await readOne(source, position, (end) => end);
    seen.push(...ids);
    await confirmed(slot, next.lsn);
    hasTouched ||= next.lsn === touch;
    position = next;
  }
  expect(hasTouched).toBe(true);
  expect(seen.sort()).toEqual(expected.sort());
  expect(seen).toContain(String(id + 1));
  await released(slot);
  expect(await backlog(slot)).toEqual([]);
});

test("one byte more loses the second transaction, as clients that add one do", async () => {
  const slot = `${database}_plus_one`;
  const { source, birth } = await newSlot(slot);
  const [id, touch] = await commitTogether(slot, 100_000);
  let position = birth;
  while (position.lsn < touch) {
    const plusOne = (end: Lsn): Lsn => (end === touch ? end + 1n : end);
    ({ position } = await readOne(source, position, plusOne));
    await confirmed(slot, position.lsn);
  }
  expect(position.lsn).toBe(touch + 1n);
  await sql("insert into t values (999999)");
  const { ids } = await readOne(source, position, (end) => end);
  expect(ids, `rows ${id} and ${id + 1} were committed before`).toEqual(["999999"]);
});
