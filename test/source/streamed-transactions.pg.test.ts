import pg from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import type { Op } from "../../src/core/batch.js";
import { Row } from "../../src/core/row.js";
import { SlotSource } from "../../src/source/slot-source.js";
import { StreamRecorder, sourceOptions, streamRequest } from "../fixtures/stream-recorder.js";
import { usePostgres } from "../services/postgres.js";

const ROWS = 5_000;

describe.each([16, 17, 18] as const)("PostgreSQL %i", async (version) => {
  const settings = { logical_decoding_work_mem: "64kB", max_prepared_transactions: "4" };
  const { url, sql } = await usePostgres({ version, settings });
  await sql("create table t (id int primary key, note text)");

  async function connect(): Promise<pg.Client> {
    const client = new pg.Client({ connectionString: url });
    await client.connect();
    onTestFinished(() => client.end());
    return client;
  }

  test("sends a large transaction before its end, and it leaves at its commit", async () => {
    const slotName = `streams_${version}`;
    const recorder = new StreamRecorder();
    const stream = await new SlotSource(sourceOptions(url, { slotName })).open(
      streamRequest(null, recorder),
    );
    onTestFinished(() => stream.close());
    stream.resume();
    const writer = await connect();
    await writer.query("begin");
    await writer.query("insert into t select n, repeat('x', 100) from generate_series(1, $1) n", [
      ROWS,
    ]);
    await writer.query("savepoint s");
    await writer.query("insert into t select n, 'gone' from generate_series(10001, 20000) n");
    await writer.query("rollback to savepoint s");
    await writer.query("update t set note = 'changed' where id = 1");
    await sql("insert into t values (-1, 'commits before')");
    await recorder.until(() => recorder.committed.length === 1);
    await writer.query("commit");
    await sql("insert into t values (-2, 'commits after')");
    await recorder.until(() => recorder.committed.length === 3);

    const counts = recorder.committed.map(({ xid }) => changesOf(recorder, xid).length);
    expect(counts).toEqual([1, ROWS + 1, 1]);
    const [, streamed] = recorder.committed;
    const changes = changesOf(recorder, streamed?.xid ?? 0);
    expect(changes.some(({ id }) => id > 10_000)).toBe(false);
    expect(changes.map(({ ordinal }) => ordinal)).toEqual(changes.map((_, i) => i));
    expect(recorder.batches.length).toBeGreaterThan(3);
    await stream.close();
    const [statistics] = await sql(
      "select stream_txns::int as streamed from pg_stat_replication_slots where slot_name = $1",
      [slotName],
    );
    expect(statistics?.["streamed"]).toBeGreaterThan(0);
  });

  test("sends a prepared transaction at COMMIT PREPARED, also to who began since", async () => {
    const slotName = `prepared_${version}`;
    const first = new StreamRecorder();
    const source = new SlotSource(sourceOptions(url, { slotName }));
    const stream = await source.open(streamRequest(null, first));
    stream.resume();
    const writer = await connect();
    await writer.query("begin; insert into t values (-10, 'prepared')");
    await writer.query("prepare transaction 'p1'");
    await sql("insert into t values (-11, 'behind the PREPARE')");
    await first.until(() => first.committed.length === 1);
    expect(first.lines[0]).toContain("behind the PREPARE");
    const lsn = first.committed[0]?.commitEndLsn as bigint;
    stream.report(lsn, lsn);
    await stream.close();

    const second = new StreamRecorder();
    const again = await source.open(streamRequest({ ...stream.position, lsn }, second));
    onTestFinished(() => again.close());
    again.resume();
    await writer.query("commit prepared 'p1'");
    await second.until(() => second.committed.length === 1);
    expect(second.lines[0]).toContain("prepared");
  });
});

/** The changes of one transaction, in the order they were handed over. */
function changesOf(
  recorder: StreamRecorder,
  xid: number,
): { readonly id: number; readonly ordinal: number; readonly op: Op }[] {
  return recorder.batches.flatMap((batch) =>
    batch.transactions
      .filter((slice) => slice.xid === xid)
      .flatMap(({ from, to, firstOrdinal }) =>
        Array.from({ length: to - from }, (_, k) => {
          const row = batch.row(from + k, batch.after[from + k] as number);
          const [relation] = batch.relations;
          const { id } = relation === undefined ? { id: 0 } : Row.toObject(row, relation);
          return { id: Number(id), ordinal: firstOrdinal + k, op: batch.ops[from + k] as Op };
        }),
      ),
  );
}
