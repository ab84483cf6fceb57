import { expect, onTestFinished, test } from "vitest";
import { PostgresSink } from "../../sinks/postgres/postgres-sink.js";
import { PostgresCheckpointStore } from "../../src/checkpoint/postgres-store.js";
import type { Position } from "../../src/core/position.js";
import type { SinkCommit } from "../../src/core/sink.js";
import { sqlConnect } from "../../src/source/sql-client.js";
import { eventually } from "../services/eventually.js";
import { usePostgres } from "../services/postgres.js";
import { uniqueName } from "../services/shared-service.js";

const postgres = await usePostgres();
const { sql, url } = postgres;

/** One instance's sink and store, as a run opens them. */
interface Instance {
  readonly sink: PostgresSink;
  readonly store: PostgresCheckpointStore;
}

async function openInstance(pipeline: string, view: string): Promise<Instance> {
  const connect = (role: "results" | "checkpoint") =>
    sqlConnect({ url, role, applicationName: pipeline });
  const sink = new PostgresSink(connect("results"), pipeline);
  const store = new PostgresCheckpointStore(connect("checkpoint"), pipeline);
  onTestFinished(async () => {
    await Promise.all([sink.close(), store.close()]);
  });
  await sink.open();
  await store.open();
  await sink.prepare([
    {
      kind: "view",
      name: `public.${view}`,
      columns: [
        { name: "shop", sqlType: "integer", role: "group" },
        { name: "hour", sqlType: "timestamp with time zone", role: "time" },
        { name: "rows", sqlType: "bigint", role: "value" },
      ],
    },
  ]);
  return { sink, store };
}

const at = (lsn: bigint): Position => ({ systemId: "7", timeline: 1, lsn });

function commit(view: string, epoch: number, lsn: bigint): SinkCommit {
  const columns = [[epoch], ["2026-01-01T00:00:00Z"], [lsn]];
  const output = `public.${view}`;
  const rows = { output, rowCount: 1, columns, isWhole: false };
  const outputs = [{ kind: "view", ...rows, gone: null, removeBeforeMs: null } as const];
  return {
    epoch,
    position: at(lsn),
    watermarkMs: null,
    idleMs: null,
    outputs,
    mustBeDurable: true,
  };
}

const save = (epoch: number, lsn: bigint) => ({
  epoch,
  position: at(lsn),
  blocks: [{ operator: "window", block: 1, bytes: new Uint8Array([epoch]) }],
});

async function claim({ sink, store }: Instance, epoch: number): Promise<void> {
  await store.claim(epoch, at(100n));
  await sink.claim(epoch, at(100n));
}

test("an older instance is FENCED in results and checkpoint, and leaves no trace", async () => {
  const pipeline = uniqueName("fenced");
  const old = await openInstance(pipeline, pipeline);
  const young = await openInstance(pipeline, pipeline);
  await claim(old, 1);
  await old.sink.write(commit(pipeline, 1, 200n));
  await old.store.save(save(1, 200n));
  await claim(young, 2);

  await expect(old.sink.write(commit(pipeline, 1, 300n))).rejects.toMatchObject({ code: "FENCED" });
  await expect(old.store.save(save(1, 300n))).rejects.toMatchObject({ code: "FENCED" });
  await expect(old.store.claim(2, at(300n))).rejects.toMatchObject({ code: "FENCED" });
  expect(await sql(`select shop, rows from ${pipeline}`)).toEqual([{ shop: 1, rows: "200" }]);
  const { position, blocks } = await young.store.load();
  expect(position.lsn).toBe(200n);
  expect(blocks.map(({ bytes }) => [...bytes])).toEqual([[1]]);

  await young.sink.write(commit(pipeline, 2, 300n));
  await young.store.save(save(2, 300n));
  expect(await sql(`select rows from ${pipeline} where shop = 2`)).toEqual([{ rows: "300" }]);
  expect((await young.store.load()).blocks.map(({ bytes }) => [...bytes])).toEqual([[2]]);
});

test("a write under way while a newer instance claims is whole, and found by it", async () => {
  const pipeline = uniqueName("fenced");
  const old = await openInstance(pipeline, pipeline);
  const young = await openInstance(pipeline, pipeline);
  await claim(old, 1);
  const locker = await sqlConnect({ url, role: "results", applicationName: "locker" })();
  onTestFinished(() => locker.end());
  const waiting = async (count: number): Promise<boolean> => {
    const query = `select 1 from pg_stat_activity
                   where application_name = $1 and wait_event_type = 'Lock'`;
    return (await sql(query, [pipeline])).length === count;
  };

  await locker.query(`begin; lock table ${pipeline} in access exclusive mode`);
  const writing = old.sink.write(commit(pipeline, 1, 200n));
  await eventually("the old one waits for the table", () => waiting(1));
  const claiming = young.sink.claim(2, at(100n));
  await eventually("the new one waits for the old one", () => waiting(2));
  await locker.query("commit");

  await writing;
  expect(await claiming).toMatchObject({ position: { lsn: 200n } });
  await expect(old.sink.write(commit(pipeline, 1, 300n))).rejects.toMatchObject({ code: "FENCED" });
  expect(await sql(`select shop, rows from ${pipeline}`)).toEqual([{ shop: 1, rows: "200" }]);
});

test("of many instances that claim the same epoch one wins", async () => {
  const pipeline = uniqueName("fenced");
  const instances = await Promise.all(
    [1, 2, 3, 4].map(() => openInstance(pipeline, uniqueName("view"))),
  );
  const claims = await Promise.allSettled(instances.map(({ store }) => store.claim(1, at(1n))));
  expect(claims.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
  for (const { status, ...rest } of claims) {
    if (status === "rejected") expect(rest).toMatchObject({ reason: { code: "FENCED" } });
  }
});
