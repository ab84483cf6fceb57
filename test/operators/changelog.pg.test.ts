// Views over tables whose rows are updated and deleted, with PostgreSQL as the oracle: random
// transactions on tables of each replica identity, and after each burst every view is what its
// SELECT gives.
import { expect, onTestFinished, test } from "vitest";
import type { Numeric } from "../../src/core/numeric.js";
import type { Timestamp } from "../../src/core/timestamp.js";
import {
  count,
  max,
  min,
  pipeline,
  postgres,
  slot,
  start,
  sum,
  tumbling,
} from "../../src/index.js";
import { avg } from "../../src/pipeline/aggregate-specs.js";
import { eventually } from "../services/eventually.js";
import { usePostgres } from "../services/postgres.js";
import { uniqueName } from "../services/shared-service.js";
import type { Sql } from "../services/sql.js";
import { type Random, seededRandom } from "../torture/random.js";

const { url, sql } = await usePostgres();
const ROUNDS = Number(process.env["TIDEMARK_TEST_ROUNDS"] ?? 30);

interface Item {
  id: number;
  k: string | null;
  flag: boolean | null;
  at: Timestamp | null;
  n: number | null;
  m: Numeric | null;
  d: Numeric | null;
  f: number | null;
}
type Database = Record<`public.${string}`, Item>;

/** Tables by what the log says of their old rows. */
const TABLES = {
  full: "alter table $ replica identity full",
  key: "",
  index:
    "create unique index on $ (id2, id); alter table $ replica identity using index $_id2_id_idx",
} as const;

const VIEWS = [
  [
    "by_key",
    `select k, count(*) as rows, count(n) as ns, sum(n) as total, sum(m) as exact, avg(m) as mean,
            min(d) as least, max(d) as greatest, sum(f) as floats from $ group by k`,
  ],
  [
    "by_minute",
    `select flag, date_trunc('minute', at) as minute, count(*) as rows, min(n) as least,
            max(at) as last, avg(n) as mean from $ group by 1, 2`,
  ],
  ["kept", "select flag, count(*) as rows, sum(d) as total from $ where n > 0 group by flag"],
] as const;

async function createTable(name: string, identity: string): Promise<void> {
  await sql(`create table ${name} (id serial primary key, id2 integer not null default 0, k text,
    flag boolean, at timestamptz, n integer, m numeric, d numeric(12, 2), f double precision)`);
  await sql(`alter table ${name} alter k set storage external`);
  for (const statement of identity.split(";").filter(Boolean)) {
    await sql(statement.replaceAll("$", name));
  }
}

function pipelineOf(name: string, tables: readonly string[]) {
  return pipeline<Database>(name, { source: slot({ url }), checkpointInterval: "50ms" }, (from) => {
    for (const table of tables) {
      const items = from(`public.${table}`, { eventTime: "at" });
      items
        .groupBy("k")
        .aggregate({
          rows: count(),
          ns: count("n"),
          total: sum("n"),
          exact: sum("m"),
          mean: avg("m"),
          least: min("d"),
          greatest: max("d"),
          floats: sum("f"),
        })
        .into(postgres.view(`${table}_by_key`));
      items
        .groupBy("flag")
        .window(tumbling("1 minute", "minute"))
        .aggregate({ rows: count(), least: min("n"), last: max("at"), mean: avg("n") })
        .into(postgres.view(`${table}_by_minute`));
      items
        .filter((item) => item.n !== null && item.n > 0)
        .groupBy("flag")
        .aggregate({ rows: count(), total: sum("d") })
        .into(postgres.view(`${table}_kept`));
    }
  });
}

const ROW = `
  case when random() < 0.1 then null
       when random() < 0.3 then repeat(chr(97 + ($seed + g) % 3), 3000)
       else chr(97 + (random() * 4)::int) end,
  case when random() < 0.2 then null else random() < 0.5 end,
  case when random() < 0.1 then null when random() < 0.03 then 'infinity'
       else timestamptz '2026-11-24 10:00Z' + random() * interval '5 minutes' end,
  case when random() < 0.2 then null else (random() * 20)::int - 10 end,
  case when random() < 0.2 then null
       when random() < 0.04 then 'NaN'
       when random() < 0.04 then '-Infinity'
       else round((random() * 1e6)::numeric, (random() * 6)::int) end,
  case when random() < 0.2 then null else round((random() * 100)::numeric, 2) end,
  case when random() < 0.2 then null when random() < 0.03 then 'NaN'
       else (random() * 64)::int / 8.0 - 4 end`;

function statement(table: string, random: Random): string {
  const some = `id % ${random.between(2, 6)} = ${random.between(0, 1)}`;
  const row = ROW.replaceAll("$seed", String(random.between(0, 2)));
  const insert = `insert into ${table} (k, flag, at, n, m, d, f)
    select ${row}
    from generate_series(1, ${random.between(1, 30)}) g`;
  return [
    insert,
    insert,
    `update ${table} set n = n + 1, d = d * 2 where ${some} and d < 1e8`,
    `update ${table} set k = 'moved', at = at - interval '1 minute' where ${some}`,
    `update ${table} set (k, flag, at, n, m, d, f) = (select ${row} from (select id as g) g)
     where ${some}`,
    `update ${table} set id = nextval('${table}_id_seq') where ${some}`,
    `delete from ${table} where ${some}`,
    random.chance(0.1)
      ? `truncate ${table} restart identity`
      : `delete from ${table} where n is null`,
  ][random.between(0, 7)] as string;
}

async function burst(tables: readonly string[], random: Random): Promise<void> {
  const any = (): string => tables[random.between(0, tables.length - 1)] as string;
  const one = any();
  const parts = Array.from({ length: random.between(1, 5) }, () => {
    const change = statement(random.chance(0.3) ? any() : one, random);
    return random.chance(0.1) ? `savepoint s; ${change}; rollback to s` : change;
  });
  const end = random.chance(0.1) ? "rollback" : "commit";
  await sql(`select setseed(${random.next()}); begin; ${parts.join("; ")}; ${end}`);
}

async function rowsOf(query: string): Promise<string[]> {
  const rows = await sql(`select to_jsonb(r)::text as row from (${query}) r`);
  return rows.map(({ row }) => String(row)).sort();
}

async function differences(tables: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const table of tables) {
    for (const [view, query] of VIEWS) {
      const select = query.replaceAll("$", table);
      const columns = await columnsOf(sql, `${table}_${view}`);
      const texts = columns.map((column) => `${column}::text`).join(", ");
      const wanted = await rowsOf(`select ${texts} from (${select}) s`);
      const actual = await rowsOf(`select ${texts} from ${table}_${view}`);
      const missing = wanted.filter((row) => !actual.includes(row));
      const surplus = actual.filter((row) => !wanted.includes(row));
      if (missing.length + surplus.length === 0 && wanted.length === actual.length) continue;
      const shorten = (row: string | undefined) => row?.replaceAll(/(\w)\1{50,}/g, "$1…");
      found.push(`${table}_${view}: lacks ${shorten(missing[0])}, has ${shorten(surplus[0])}`);
    }
  }
  return found;
}

async function columnsOf(query: Sql, table: string): Promise<string[]> {
  const rows = await query(
    "select attname from pg_attribute where attrelid = $1::regclass and attnum > 0 order by attnum",
    [table],
  );
  return rows.map(({ attname }) => `"${attname}"`);
}

test("views follow inserts, updates, deletes and truncates of tables of each replica identity", {
  timeout: 180_000,
}, async () => {
  const random = seededRandom();
  const name = uniqueName("changelog");
  const tables = Object.keys(TABLES).map((identity) => `${name}_${identity}`);
  for (const [identity, clause] of Object.entries(TABLES)) {
    await createTable(`${name}_${identity}`, clause);
  }
  let running = start(pipelineOf(name, tables));
  onTestFinished(() => running.stop());
  await eventually("a run", () => running.status ?? undefined);
  for (let round = 0; round < ROUNDS; round++) {
    for (let left = random.between(1, 6); left > 0; left--) await burst(tables, random);
    if (random.chance(0.2)) {
      await running.stop();
      running = start(pipelineOf(name, tables));
    }
    let found: string[] = [];
    const isEqual = async (): Promise<boolean> => {
      found = await differences(tables);
      return found.length === 0;
    };
    await eventually(`round ${round}: views equal their queries`, isEqual, {
      explain: () => found.join("\n"),
    });
  }
  await running.stop();
  await expect(running.done).resolves.toBeUndefined();
});
