import { describe, expect, test } from "vitest";
import { PostgresSink } from "../../../sinks/postgres/postgres-sink.js";
import { Timestamp } from "../../../src/core/timestamp.js";
import { sqlConnect } from "../../../src/source/sql-client.js";
import { appendCases } from "../../conformance/append-sink.js";
import { batchOf, commitAt, position, sinkCases, viewShape } from "../../conformance/sink.js";
import { ownPostgres, usePostgres } from "../../services/postgres.js";

const { url, sql } = await usePostgres();
const connect = sqlConnect({ url, role: "results", applicationName: "tidemark test" });
const noon = Timestamp.of(Date.UTC(2026, 10, 23, 12));

/** Rows as the session of a view's reader prints them in UTC. */
async function rowsOf(table: string): Promise<(string | null)[][]> {
  const [found] = await sql("select to_regclass($1) is not null as there", [table]);
  if (found?.["there"] !== true) return [];
  const session = await connect();
  const cells = await session.query(
    `select k::text as a, at::text as b, "the ""value"""::text as c from ${table}`,
  );
  await session.end();
  const texts = cells.map((row) => ["a", "b", "c"].map((c) => row[c] as string | null));
  return texts.sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1));
}

describe("the sink in PostgreSQL", () => {
  let made = 0;

  test.each(Object.entries({ ...sinkCases, ...appendCases }))("%s", async (_, run) => {
    const pipeline = `p${made++}`;
    await run({
      make: () => new PostgresSink(connect, pipeline),
      output: (name) => `public.${pipeline}_${name}`,
      rows: rowsOf,
    });
  });

  async function prepared(table: string): Promise<unknown> {
    const sink = new PostgresSink(connect, "checks");
    await sink.open();
    const outcome = await sink.prepare([viewShape(table)]).then(
      () => undefined,
      (error: unknown) => error,
    );
    await sink.close();
    return outcome;
  }

  test.each([
    ["a missing column", `create table bad (k text, at timestamptz)`, /"the "value"" is missing/],
    ["another type", `create table bad (k text, at timestamptz, "the ""value""" int)`, /integer/],
    [
      "no unique key",
      `create table bad (k text, at timestamptz, "the ""value""" numeric)`,
      /CREATE UNIQUE INDEX/,
    ],
    [
      "a key where NULLs differ",
      `create table bad (k text, at timestamptz, "the ""value""" numeric, unique (k, at))`,
      /NULLS NOT DISTINCT/,
    ],
    [
      "a key that is larger",
      `create table bad (k text, at timestamptz, "the ""value""" numeric,
         unique nulls not distinct (k, at, "the ""value"""))`,
      /CREATE UNIQUE INDEX/,
    ],
  ])("a table with %s is refused", async (_, statement, message) => {
    await sql("drop table if exists bad");
    await sql(statement);
    expect(await prepared("public.bad")).toMatchObject({ code: "VIEW_MISMATCH", message });
  });

  test("a table with more columns is used as it is", async () => {
    await sql(`create table roomy (more int default 5, "the ""value""" numeric, at timestamptz,
                 k text, unique nulls not distinct (at, k))`);
    expect(await prepared("public.roomy")).toBeUndefined();
  });

  test("names of 63 bytes, with dots and quotes, make a view", async () => {
    const name = `a."b${"x".repeat(59)}`;
    const table = `public."${name.replaceAll('"', '""')}"`;
    expect(await prepared(table)).toBeUndefined();
    const [found] = await sql("select relkind from pg_class where relname = $1", [name]);
    expect(found?.["relkind"]).toBe("r");
  });

  test("a value that the column does not take leaves neither results nor progress", async () => {
    const sink = new PostgresSink(connect, "values");
    await sink.open();
    await sink.prepare([viewShape("public.values_a"), viewShape("public.values_b", "bigint")]);
    await sink.claim(1, position(100n));
    const good = batchOf("public.values_a", [["a", noon, 1]]);
    const bad = batchOf("public.values_b", [["a", noon, "no number"]]);
    const outcome = sink.write(commitAt(200n, [good, bad]));
    await expect(outcome).rejects.toMatchObject({ code: "SINK_REFUSED" });
    expect(await rowsOf("public.values_a")).toEqual([]);
    expect(await sink.claim(2, position(1n))).toMatchObject({ position: { lsn: 100n } });
    await sink.close();
  });

  test("an epoch that is fenced while its transaction runs writes nothing", async () => {
    const sink = new PostgresSink(connect, "race");
    await sink.open();
    await sink.prepare([viewShape("public.race_view")]);
    await sink.claim(1, position(100n));
    const other = await connect();
    await other.query("begin");
    await other.query("update tidemark.progress set epoch = 2 where pipeline = 'race'");
    const writing = sink.write(commitAt(200n, [batchOf("public.race_view", [["a", noon, 1]])]));
    writing.catch(() => {});
    await waitsForLock();
    await other.query("commit");
    await expect(writing).rejects.toMatchObject({ code: "FENCED" });
    expect(await rowsOf("public.race_view")).toEqual([]);
    await Promise.all([sink.close(), other.end()]);
  });

  test("a claim waits for a write that is still committing and returns what it wrote", async () => {
    const [old, young] = [new PostgresSink(connect, "late"), new PostgresSink(connect, "late")];
    await old.open();
    await old.claim(1, position(100n));
    const other = await connect();
    await other.query("begin");
    await other.query("update tidemark.progress set lsn = '0/12C' where pipeline = 'late'");
    expect(await young.open()).toMatchObject({ position: { lsn: 100n } });
    const claiming = young.claim(2, position(100n));
    await waitsForLock();
    await other.query("commit");
    expect(await claiming).toMatchObject({ epoch: 2, position: { lsn: 300n } });
    await Promise.all([old.close(), young.close(), other.end()]);
  });
});

/** Resolves when a session waits for another one's lock. */
async function waitsForLock(): Promise<void> {
  for (;;) {
    const waiting = await sql(
      "select 1 from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()",
    );
    if (waiting.length > 0) return;
  }
}

test("a write that must be durable survives a crash of the server with all before it", async () => {
  const server = await ownPostgres();
  const connectTo = { url: server.url, role: "results", applicationName: "t" } as const;
  const before = new PostgresSink(sqlConnect(connectTo), "p");
  await before.open();
  await before.prepare([viewShape("public.crash")]);
  await before.claim(1, position(100n));
  for (let lsn = 200n; lsn < 700n; lsn += 100n) {
    const mustBeDurable = lsn === 600n;
    await before.write(
      commitAt(lsn, [batchOf("public.crash", [[`k${lsn}`, noon, 1]])], { mustBeDurable }),
    );
  }
  await server.kill();
  await before.close();
  await server.start();
  const after = new PostgresSink(sqlConnect(connectTo), "p");
  expect((await after.open())?.position.lsn).toBe(600n);
  const rows = await server.sql("select count(*)::int as n from crash");
  expect(rows[0]?.["n"]).toBe(5);
  await after.close();
});

test("reset leaves a table alone that Tidemark did not make", async () => {
  await sql("create table business (id int)");
  const sink = new PostgresSink(connect, "careless");
  await sink.open();
  await expect(sink.reset(["public.business"])).rejects.toMatchObject({ code: "VIEW_MISMATCH" });
  await sql("select * from business");
  await sink.close();
});
