import { expect, onTestFinished, test } from "vitest";
import {
  type From,
  type PipelineOptions,
  pipeline,
  postgres,
  type RunningPipeline,
  slot,
  start,
} from "../../../src/index.js";
import { eventually } from "../../services/eventually.js";
import { usePostgres } from "../../services/postgres.js";
import { uniqueName } from "../../services/shared-service.js";

const { url, sql } = await usePostgres();

type Database = Record<string, object>;

/** Runs a pipeline in this process until its test is over. */
function run(
  build: (from: From<Database>) => void,
  options: Partial<PipelineOptions> = {},
  name = uniqueName("append"),
): RunningPipeline {
  const definition = pipeline<Database>(name, { source: slot({ url }), ...options }, build);
  const running = start(definition, { env: () => undefined });
  onTestFinished(() => running.stop());
  return running;
}

async function runs(running: RunningPipeline): Promise<void> {
  await eventually("the pipeline reads", () => running.status !== null);
}

async function count(table: string): Promise<number> {
  const [row] = await sql(`select count(*)::int as n from ${table}`);
  return Number(row?.["n"]);
}

test("every type of the source comes back equal", async () => {
  await sql("create type mood as enum ('well', 'un\"well')");
  await sql("create domain positive as integer check (value > 0)");
  await sql(`create table sorts (
    id bigint generated always as identity primary key,
    t text, v varchar(20), c char(5), b boolean, s smallint, n numeric(12,3), m numeric,
    r real, d double precision, j json, jb jsonb, u uuid, ba bytea, dt date, ti time, ts timestamp,
    tz timestamptz, iv interval, ip inet, nums integer[], words text[], grid integer[], bits bit(3),
    range int4range, pt point, feeling mood, size positive, place regclass
  )`);
  const columns = (
    await sql(`select attname as name from pg_attribute
               where attrelid = 'sorts'::regclass and attnum > 0`)
  ).map((row) => String(row["name"]));
  const running = run((from) => {
    from("sorts", { appendOnly: true }).into(postgres.append("sorts_copy"));
  });
  await runs(running);
  await sql(`insert into sorts (t, v, c, b, s, n, m, r, d, j, jb, u, ba, dt, ti, ts, tz, iv, ip,
      nums, words, grid, bits, range, pt, feeling, size, place) values
    ('a"\\,{}🌊', 'v', 'c', true, -1, 1.500, 'NaN', 0.1, '-Infinity', '{"a": 1.0}', '{"b":[1e400]}',
     gen_random_uuid(), '\\x00ff', '4713-01-01 BC', '24:00', 'infinity', '2026-01-01 12:00+05',
     '1 mon -2 days 03:04:05.678', '10.0.0.0/8', '{1,NULL,3}', '{"a,b",NULL,"NULL",""}',
     '[0:1][2:3]={{1,2},{3,4}}', '101', '[1,5)', '(1.5,2)', 'un"well', 7, 'pg_class'),
    (default, '', '', false, 0, 0, 0, 0, '-0', 'null', 'null', null, '', 'infinity', '00:00',
     '0001-01-01', '-infinity', '0', '::1', '{}', '{}', '{}', null, 'empty', null, null, null,
     null)`);
  await sql("insert into sorts default values");
  await eventually("three rows", async () => (await count("sorts_copy")) === 3);
  const differing = columns.map(
    (column) => `count(*) filter (where ${column}::text is distinct from o_${column}) as ${column}`,
  );
  const originals = columns.map((column) => `${column}::text as o_${column}`);
  const [row] = await sql(
    `select ${differing.join(", ")} from sorts_copy
     join (select id as i, ${originals.join(", ")} from sorts) o on o.i = id`,
  );
  expect(new Set(Object.values(row ?? {}))).toEqual(new Set(["0"]));
  const types = await sql(`select attname as name, format_type(atttypid, atttypmod) as type
    from pg_attribute where attrelid = 'sorts_copy'::regclass
      and attname in ('n', 'nums', 'feeling', 'size', 'place') order by 1`);
  expect(types.map(({ name, type }) => `${name} ${type}`)).toEqual([
    "feeling text",
    "n numeric(12,3)",
    "nums integer[]",
    "place text",
    "size text",
  ]);
  const positions = await sql(`select count(distinct _commit_lsn)::int as commits,
    array_agg(_ordinal::int order by id) as ordinals, bool_and(_missing is null) as whole,
    bool_and(abs(extract(epoch from now() - _committed_at)) < 60) as recent from sorts_copy`);
  expect(positions).toEqual([{ commits: 2, ordinals: [0, 1, 0], whole: true, recent: true }]);
});

test("every change of a table is a row, in commit order, and says what it lacks", async () => {
  await sql("create table accounts (id integer primary key, note text, amount numeric)");
  await sql("alter table accounts alter note set storage external");
  const running = run((from) => {
    from("accounts").changes().into(postgres.append("account_changes"));
  });
  await runs(running);
  await sql("insert into accounts values (1, repeat('n', 5000), 1), (2, 'two', 2)");
  await sql("update accounts set amount = 10 where id = 1");
  await sql("update accounts set id = 3 where id = 1");
  await sql("delete from accounts where id = 2");
  await sql("alter table accounts replica identity full");
  await sql("update accounts set amount = 11");
  await sql("delete from accounts");
  await sql("truncate accounts");
  await eventually("all changes", async () => (await count("account_changes")) === 8);
  const rows = await sql(`
    select _op as op, id, length(note) as note, amount::int as amount, _missing as missing,
           _before - 'note' as before
    from account_changes order by _commit_lsn, _ordinal`);
  const change = (op: string, cells: object) => {
    return { op, id: 3, note: 5000, amount: 10, missing: null, before: null, ...cells };
  };
  expect(rows).toEqual([
    change("insert", { id: 1, amount: 1 }),
    change("insert", { id: 2, note: 3, amount: 2 }),
    change("update", { id: 1, note: null, missing: ["note"] }),
    change("update", { note: null, missing: ["note"], before: { id: "1" } }),
    change("delete", { id: 2, note: null, amount: null, missing: ["note", "amount"] }),
    change("update", { amount: 11, before: { id: "3", amount: "10" } }),
    change("delete", { amount: 11 }),
    change("truncate", { id: null, note: null, amount: null }),
  ]);
});

test("a transaction larger than maxOutputBytes is sent in parts and seen as one", async () => {
  await sql("create table big (id bigint primary key, filler text not null)");
  const running = run(
    (from) => {
      from("big", { appendOnly: true }).into(postgres.append("big_copy"));
    },
    { maxOutputBytes: 65_536, checkpointInterval: "100ms" },
  );
  await runs(running);
  const rows = 50_000;
  const seen = new Set<number>();
  let isWatching = true;
  const watching = (async () => {
    while (isWatching) seen.add(await count("big_copy"));
  })();
  await sql("insert into big select n, repeat('f', 100) from generate_series(1, $1) n", [rows]);
  await eventually("all rows", async () => (await count("big_copy")) === rows);
  isWatching = false;
  await watching;
  expect([...seen].filter((n) => n !== 0 && n !== rows)).toEqual([]);
  const [same] = await sql(
    `select count(*)::int as n, max(_ordinal)::int as last from big_copy join big using (id, filler)`,
  );
  expect(same).toEqual({ n: rows, last: rows - 1 });
});

test("a column that the source gains is there after the next start, and NULL before", async () => {
  await sql("create table growing (id integer primary key)");
  const name = uniqueName("append");
  const build = (from: From<Database>): void => {
    from("growing", { appendOnly: true }).into(postgres.append("growing_copy"));
  };
  const first = run(build, {}, name);
  await runs(first);
  await sql("insert into growing values (1)");
  await eventually("a row", async () => (await count("growing_copy")) === 1);
  await first.stop();
  await sql("insert into growing values (2)"); // read with the new plan, sent with the old columns
  await sql("alter table growing add column note text");
  await sql("insert into growing values (3, 'three')");
  const second = run(build, {}, name);
  await runs(second);
  await eventually("three rows", async () => (await count("growing_copy")) === 3);
  expect(await sql("select id, note, _missing from growing_copy order by id")).toEqual([
    { id: 1, note: null, _missing: null },
    { id: 2, note: null, _missing: ["note"] },
    { id: 3, note: "three", _missing: null },
  ]);
});

test("the table has its key and a BRIN index, and loses what is older than retain", async () => {
  await sql("create table events (id integer primary key)");
  const running = run((from) => {
    from("events", { appendOnly: true }).into(postgres.append("events_copy", { retain: "2s" }));
  });
  await runs(running);
  const indexes = await sql(
    "select indexdef as text from pg_indexes where tablename = 'events_copy' order by indexdef",
  );
  expect(indexes.map(({ text }) => text)).toEqual([
    expect.stringMatching(/^CREATE INDEX .* USING brin \(_committed_at\)$/),
    expect.stringMatching(/^CREATE UNIQUE INDEX .* \(_commit_lsn, _ordinal\)$/),
  ]);
  let id = 0;
  await eventually("the first row has gone", async () => {
    await sql("insert into events values ($1)", [id++]);
    const [row] = await sql("select min(id) as least, count(*)::int as n from events_copy");
    return Number(row?.["least"]) > 0 && Number(row?.["n"]) > 0;
  });
});
