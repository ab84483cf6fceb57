// Every aggregate with PostgreSQL as the oracle: random transactions on a table whose rows are
// updated and deleted and on one that is only inserted into, with restarts; after each burst every
// view is what its SELECT gives, each cell as text.
import { expect, onTestFinished, test } from "vitest";
import type {
  AggregateFor,
  CalendarDate,
  Numeric,
  Timestamp,
  UserAggregate,
} from "../../../src/index.js";
import {
  argMax,
  argMin,
  arrayAgg,
  boolAnd,
  boolOr,
  count,
  countDistinct,
  sql as expression,
  first,
  jsonbAgg,
  last,
  max,
  min,
  percentileCont,
  percentileDisc,
  pipeline,
  postgres,
  slot,
  start,
  stddevPop,
  stddevSamp,
  stringAgg,
  sum,
  top,
  userAggregate,
  varPop,
  varSamp,
} from "../../../src/index.js";
import { eventually } from "../../services/eventually.js";
import { usePostgres } from "../../services/postgres.js";
import { uniqueName } from "../../services/shared-service.js";
import { type Random, seededRandom } from "../../torture/random.js";

const { url, sql } = await usePostgres();
const ROUNDS = Number(process.env["TIDEMARK_TEST_ROUNDS"] ?? 10);

interface Item {
  id: number;
  k: string | null;
  c: string | null;
  b: boolean | null;
  i: number | null;
  l: bigint | null;
  m: Numeric | null;
  d: Numeric | null;
  f: number | null;
  r: number | null;
  at: Timestamp | null;
  day: CalendarDate | null;
  j: unknown;
}
type Database = Record<`public.${string}`, Item>;

const bitXor: UserAggregate<number, number> = {
  name: "bit_xor",
  version: 1,
  sqlType: "integer",
  init: () => 0,
  add: (state, value) => state ^ value,
  remove: (state, value) => state ^ value,
  merge: (state, other) => state ^ other,
  result: (state) => state,
  codec: { encode: String, decode: Number },
};

/** An aggregate, and what PostgreSQL calls it. */
interface Case {
  readonly spec: AggregateFor<Item>;
  readonly sql: string;
  /** Floats whose last digits follow from the order in which they are added. */
  readonly isRounded?: boolean;
}

const C = 'collate "C"';
/** `row` is what breaks ties among rows of the same time, for the value `$`. */
const CASES = (row: (value: string, direction?: string) => string): Record<string, Case> => {
  const firsts = (value: string, order: string, filter: string, to = "[1]"): string =>
    `(array_agg(${value} order by ${order}) filter (where ${filter} is not null))${to}`;
  const list = (call: string, value: string): string => `${call} order by at, ${row(value)})`;
  const json = (column: "at" | "m" | "f" | "b" | "c" | "j" | "day"): [string, Case] => [
    `json_${column}`,
    { spec: jsonbAgg(column), sql: list(`jsonb_agg(${column}`, column) },
  ];
  return {
    distinct_c: { spec: countDistinct("c"), sql: "count(distinct c)" },
    distinct_m: { spec: countDistinct("m"), sql: "count(distinct m)" },
    distinct_f: { spec: countDistinct("f"), sql: "count(distinct f)" },
    distinct_at: { spec: countDistinct("at"), sql: "count(distinct at)" },
    var_i: { spec: varPop("i"), sql: "var_pop(i)" },
    var_m: { spec: varSamp("m"), sql: "var_samp(m)" },
    stddev_d: { spec: stddevPop("d"), sql: "stddev_pop(d)" },
    stddev_l: { spec: stddevSamp("l"), sql: "stddev_samp(l)" },
    stddev_m: { spec: stddevSamp("m"), sql: "stddev_samp(m)" },
    var_f: { spec: varPop("f"), sql: "var_pop(f)", isRounded: true },
    stddev_r: { spec: stddevSamp("r"), sql: "stddev_samp(r)", isRounded: true },
    all_b: { spec: boolAnd("b"), sql: "bool_and(b)" },
    some_b: { spec: boolOr("b"), sql: "bool_or(b)" },
    first_i: { spec: first("i"), sql: firsts("i", `at, ${row("i")}`, "at") },
    last_c: { spec: last("c"), sql: firsts("c", `at desc, ${row("c", "desc")}`, "at") },
    by_l: { spec: last("d", { by: "l" }), sql: firsts("d", `l desc, ${row("d", "desc")}`, "l") },
    least: { spec: argMin("i", "d"), sql: firsts("i", `d, ${row("i")}`, "d") },
    most: {
      spec: argMax("c", "m"),
      sql: firsts("c", `m desc, scale(m) desc, ${row("c", "desc")}`, "m"),
    },
    joined: { spec: stringAgg("c", ", "), sql: list("string_agg(c, ', '", "c") },
    array_m: { spec: arrayAgg("m"), sql: list("array_agg(m", "m") },
    array_c: { spec: arrayAgg("c"), sql: list("array_agg(c", "c") },
    array_b: { spec: arrayAgg("b"), sql: list("array_agg(b", "b") },
    ...Object.fromEntries((["at", "m", "f", "b", "c", "j", "day"] as const).map(json)),
    cont_i: { spec: percentileCont("i", 0.3), sql: within("percentile_cont(0.3)", "i") },
    cont_m: { spec: percentileCont("m", 0.5), sql: within("percentile_cont(0.5)", "m") },
    cont_f: { spec: percentileCont("f", 0.9), sql: within("percentile_cont(0.9)", "f") },
    disc_d: { spec: percentileDisc("d", 0.25), sql: within("percentile_disc(0.25)", "d") },
    disc_c: { spec: percentileDisc("c", 0.5), sql: within("percentile_disc(0.5)", "c") },
    disc_at: { spec: percentileDisc("at", 0), sql: within("percentile_disc(0)", "at") },
    disc_day: { spec: percentileDisc("day", 1), sql: within("percentile_disc(1)", "day") },
    top_d: { spec: top("d", 3), sql: firsts("d", "d desc", "d", "[1:3]") },
    top_c: {
      spec: top("c", 2, { by: "l" }),
      sql: firsts("c", `l desc, ${row("c", "desc")}`, "l", "[1:2]"),
    },
    min_c: { spec: min("c"), sql: "min(c)" },
    max_c: { spec: max("c"), sql: "max(c)" },
    min_day: { spec: min("day"), sql: "min(day)" },
    max_at: { spec: max("at"), sql: "max(at)" },
    positive: {
      spec: count({ filter: expression`i > 0 and c <> 'é'` }),
      sql: "count(*) filter (where i > 0 and c <> 'é')",
    },
    true_m: {
      spec: sum("m", { filter: (item) => item.b === true }),
      sql: "sum(m) filter (where b)",
    },
    xor: { spec: userAggregate("i", bitXor), sql: "coalesce(bit_xor(i), 0)" },
  };
};

function within(call: string, column: string): string {
  return `${call} within group (order by ${column})`;
}

/** Where rows leave, ties are broken by the value; where they only come, by their order. */
const CHANGING = CASES((value, direction = "asc") => {
  const nulls = direction === "asc" ? "nulls last" : "nulls first";
  return `left(${value}::text, 99) ${C} ${direction} ${nulls}`;
});
const GROWING = CASES((_, direction = "") => `id ${direction}`);
/** Without an event time, rows are in the order of the log. */
const LOGGED: Record<string, Case> = {
  joined: { spec: stringAgg("c", ""), sql: "string_agg(c, '' order by id)" },
  first_m: { spec: first("m"), sql: "(array_agg(m order by id))[1]" },
  last_m: { spec: last("m"), sql: "(array_agg(m order by id desc))[1]" },
};

const COUNTED: Record<string, Case> = {
  n: { spec: count(), sql: "count(*)" },
  total: { spec: sum("m"), sql: "sum(m)" },
  greatest: { spec: max("at"), sql: "max(at)" },
};

function specsOf(cases: Record<string, Case>): Record<string, AggregateFor<Item>> {
  return Object.fromEntries(Object.entries(cases).map(([name, { spec }]) => [name, spec]));
}

function pipelineOf(name: string) {
  return pipeline<Database>(name, { source: slot({ url }), checkpointInterval: "50ms" }, (from) => {
    from(`public.${name}_changing`, { eventTime: "at" })
      .groupBy("k")
      .aggregate(specsOf(CHANGING))
      .into(postgres.view(`${name}_changes`));
    from(`public.${name}_growing`, { eventTime: "at", appendOnly: true })
      .groupBy("k")
      .aggregate(specsOf(GROWING))
      .into(postgres.view(`${name}_grows`));
    from(`public.${name}_growing`, { appendOnly: true })
      .groupBy("k")
      .aggregate(specsOf(LOGGED))
      .into(postgres.view(`${name}_logs`));
    const counted = from(`public.${name}_changing`, { eventTime: "at" })
      .groupBy("k")
      .aggregate(specsOf(COUNTED));
    counted
      .having(expression`n between 3 and 12 and total > 5 and greatest < '2026-12-01'`)
      .into(postgres.view(`${name}_having`));
    counted.having(({ n }) => Number(n) % 2 === 0).into(postgres.view(`${name}_even`));
  });
}

const ROW = `
  case when random() < 0.1 then null else chr(97 + (random() * 3)::int) end,
  case when random() < 0.2 then null
       else (array['', 'a', 'B', 'é', '🌊', '{', '"x\\', 'null', ' y ', 'ﬀ'])
            [1 + (random() * 9)::int] end,
  case when random() < 0.2 then null else random() < 0.7 end,
  case when random() < 0.2 then null else (random() * 20)::int - 10 end,
  case when random() < 0.2 then null when random() < 0.1 then 9223372036854775807
       else (random() * 6)::int end,
  case when random() < 0.2 then null when random() < 0.03 then 'NaN'
       when random() < 0.03 then '-Infinity'
       else round((random() * 1e3)::numeric, (random() * 6)::int) end,
  case when random() < 0.2 then null else round((random() * 9)::numeric, 2) end,
  case when random() < 0.2 then null when random() < 0.02 then 'NaN'
       when random() < 0.05 then '-0' else (random() * 64)::int / 8.0 - 4 end,
  case when random() < 0.2 then null when random() < 0.02 then 'Infinity'
       else (random() * 64)::int / 8.0 - 4 end,
  case when random() < 0.1 then null when random() < 0.03 then 'infinity'
       when random() < 0.03 then '0044-03-15 12:34:56.789 BC'
       else timestamptz '2026-11-24 10:00Z' + (random() * 40)::int * interval '1.000001 s' end,
  case when random() < 0.1 then null else date '2026-02-27' + (random() * 4)::int end,
  case when random() < 0.1 then null else to_jsonb((random() * 3)::int) end`;
const COLUMNS = "k, c, b, i, l, m, d, f, r, at, day, j";

async function createTable(name: string): Promise<void> {
  await sql(`create table ${name} (id serial primary key, k text, c text ${C}, b boolean,
    i integer, l bigint, m numeric, d numeric(12, 2), f double precision, r real,
    at timestamptz, day date, j jsonb)`);
}

function inserted(table: string, random: Random): string {
  return `insert into ${table} (${COLUMNS})
    select ${ROW} from generate_series(1, ${random.between(1, 12)}) g`;
}

function changed(table: string, random: Random): string {
  const some = `id % ${random.between(2, 5)} = ${random.between(0, 1)}`;
  return [
    inserted(table, random),
    `update ${table} set i = i + 1, m = m * 2, at = at - interval '1 second' where ${some}`,
    `update ${table} set (${COLUMNS}) = (select ${ROW} from (select id as g) g) where ${some}`,
    `delete from ${table} where ${some}`,
    random.chance(0.1) ? `truncate ${table}` : `delete from ${table} where i is null`,
  ][random.between(0, 4)] as string;
}

async function burst(name: string, random: Random): Promise<void> {
  const parts = Array.from({ length: random.between(1, 4) }, () => {
    const isGrowing = random.chance(0.4);
    const change = isGrowing
      ? inserted(`${name}_growing`, random)
      : changed(`${name}_changing`, random);
    return random.chance(0.1) ? `savepoint s; ${change}; rollback to s` : change;
  });
  await sql(`select setseed(${random.next()}); begin; ${parts.join("; ")}; commit`);
}

const VIEWS = [
  ["changes", "changing", CHANGING],
  ["grows", "growing", GROWING],
  ["logs", "growing", LOGGED],
  [
    ...(["having", "changing", COUNTED] as const),
    "count(*) between 3 and 12 and sum(m) > 5 and max(at) < '2026-12-01Z'",
  ],
  ["even", "changing", COUNTED, "count(*) % 2 = 0"],
] as const;

async function differences(name: string): Promise<string[]> {
  const found: string[] = [];
  for (const [view, table, cases, having = "true"] of VIEWS) {
    const cell = ([column, { isRounded }]: [string, Case], value = column) =>
      isRounded === true ? `round((${value})::numeric, 9)::text` : `(${value})::text`;
    const cells = Object.entries(cases);
    const keyed = (texts: string[], from: string) =>
      sql(`select array[k, ${texts.join(", ")}] as row from ${from}`);
    const wanted = await keyed(
      cells.map((entry) => cell(entry, entry[1].sql)),
      `${name}_${table} group by k having ${having} order by k`,
    );
    const actual = await keyed(
      cells.map((entry) => cell(entry)),
      `${name}_${view} order by k`,
    );
    const names = ["k", ...cells.map(([column]) => column)];
    const length = Math.max(wanted.length, actual.length);
    for (let at = 0; at < length; at++) {
      const rows = [wanted[at], actual[at]].map((row) => (row?.["row"] ?? []) as string[]);
      names.forEach((column, c) => {
        const [is, was] = [rows[0]?.[c], rows[1]?.[c]];
        if (is !== was) found.push(`${view}, row ${at}: ${column} is ${is}, view has ${was}`);
      });
    }
  }
  return found;
}

test("each aggregate is PostgreSQL's, under inserts, updates, deletes and truncates", {
  timeout: 180_000,
}, async () => {
  const random = seededRandom();
  const name = uniqueName("aggregates");
  for (const table of ["changing", "growing"]) await createTable(`${name}_${table}`);
  let isRunning = false;
  const onRunning = (): void => {
    isRunning = true;
  };
  let running = start(pipelineOf(name), { onRunning });
  onTestFinished(() => running.stop());
  // A stop during the copy would begin anew, and the growing table is read from the slot on.
  await eventually("the tables are copied", async () => isRunning);
  for (let round = 0; round < ROUNDS; round++) {
    for (let left = random.between(1, 5); left > 0; left--) await burst(name, random);
    if (random.chance(0.3)) {
      await running.stop();
      running = start(pipelineOf(name));
    }
    let found: string[] = [];
    const isEqual = async (): Promise<boolean> => {
      found = await differences(name);
      return found.length === 0;
    };
    await eventually(`round ${round}: views equal their queries`, isEqual, {
      explain: () => found.slice(0, 12).join("\n"),
    });
  }
  for (const [view, table, cases] of VIEWS) {
    const cells = Object.entries(cases);
    const types = (texts: string[], from: string) =>
      sql(`select array[${texts.map((text) => `pg_typeof(${text})::text`)}] as types ${from}`);
    const wanted = await types(
      cells.map((entry) => entry[1].sql),
      `from ${name}_${table}`,
    );
    const actual = await types(
      cells.map(([column]) => column),
      `from (select) one left join ${name}_${view} on true limit 1`,
    );
    expect(actual).toEqual(wanted);
  }
  await running.stop();
  await expect(running.done).resolves.toBeUndefined();
});
