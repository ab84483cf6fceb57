// PostgreSQL is the oracle: rows are inserted into a table there, read back as the text that the
// stream would carry, run through decoder, operators and sink, and the view must then hold what
// the SELECT gives, cell by cell as text.
import fc from "fast-check";
import { expect, test } from "vitest";
import { PostgresSink } from "../../sinks/postgres/postgres-sink.js";
import { EMIT_CHANGES, type Plan, type WindowNode } from "../../src/pipeline/plan.js";
import { sqlConnect } from "../../src/source/sql-client.js";
import { finished, merged, OperatorHarness } from "../fixtures/operator-harness.js";
import { insert } from "../fixtures/pgoutput-messages.js";
import {
  batchesOf,
  catalogTable,
  messagesOf,
  relationOf,
  type TestColumn,
} from "../fixtures/shop.js";
import { usePostgres } from "../services/postgres.js";

const CASES = 400;
const { url } = await usePostgres();
const connect = sqlConnect({ url, role: "results", applicationName: "tidemark test" });

const COLUMNS: readonly TestColumn[] = [
  ["k_text", 25, "text"],
  ["k_int", 23, "integer"],
  ["k_bool", 16, "boolean"],
  ["k_uuid", 2950, "uuid"],
  ["k_time", 1114, "timestamp without time zone"],
  ["k_day", 1082, "date"],
  ["at", 1184, "timestamp with time zone"],
  ["local", 1114, "timestamp without time zone"],
  ["day", 1082, "date"],
  ["i2", 21, "smallint"],
  ["i4", 23, "integer"],
  ["i8", 20, "bigint"],
  ["num", 1700, "numeric"],
  ["f4", 700, "real"],
  ["f8", 701, "double precision"],
  ["tz", 1184, "timestamp with time zone"],
];
const KEYS = COLUMNS.slice(0, 6).map(([name]) => name);
const VALUES = COLUMNS.slice(9).map(([name]) => name);
const table = catalogTable("public.rows", COLUMNS);

const nullable = (arbitrary: fc.Arbitrary<string>): fc.Arbitrary<string | null> =>
  fc.oneof({ weight: 5, arbitrary }, { weight: 1, arbitrary: fc.constant(null) });
const int = (bits: bigint): fc.Arbitrary<string> =>
  fc.oneof(
    fc.bigInt({ min: -(2n ** (bits - 1n)), max: 2n ** (bits - 1n) - 1n }).map(String),
    fc.integer({ min: -3, max: 3 }).map(String),
  );
const DAY = 86_400_000;
const time = fc.oneof(
  {
    weight: 12,
    arbitrary: fc
      .tuple(fc.integer({ min: 0, max: 3 * DAY }), fc.integer({ min: 0, max: 999 }))
      .map(([ms, us]) => {
        const iso = new Date(Date.UTC(2026, 1, 27) + ms).toISOString();
        return `${iso.slice(0, -1)}${String(us).padStart(3, "0")}`;
      }),
  },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      ...["infinity", "-infinity", "0044-03-15 12:34:56.789 BC", "4001-02-29 23:59:59.999999 BC"],
      ...[
        "1969-12-31 23:59:59.999999",
        "1970-01-01",
        "99999-01-01 00:00:01",
        "2026-02-28 24:00:00",
      ],
    ),
  },
);
const digits = fc.string({ unit: fc.constantFrom(..."0123456789"), maxLength: 20 });
const numeric = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.tuple(fc.boolean(), digits, digits).map(([isNegative, whole, fraction]) => {
      return `${isNegative ? "-" : ""}${whole || "0"}${fraction === "" ? "" : `.${fraction}`}`;
    }),
  },
  { weight: 4, arbitrary: fc.constantFrom("1", "1.0", "1.00", "-2.50", "0", "0.000") },
  { weight: 1, arbitrary: fc.constantFrom("NaN", "Infinity", "-Infinity") },
);
const special = fc.constantFrom("NaN", "Infinity", "-Infinity", "-0", "0");
/** Large enough for real, small enough that no sum of squares overflows in the oracle. */
const float = (max: number): fc.Arbitrary<string> =>
  fc.oneof(
    {
      weight: 8,
      arbitrary: fc
        .double({ min: -max, max, noNaN: true })
        .map((value) => (Math.abs(value) < 1e-30 ? "0.1" : String(value))),
    },
    { weight: 1, arbitrary: special },
  );
const row = fc.tuple(
  nullable(fc.constantFrom("a", "bc", "ab", "c", "", "\ufeffa", "é🌊", "x\ty", "NULL", '"\\')),
  nullable(fc.constantFrom("0", "-1", "2147483647")),
  nullable(fc.constantFrom("t", "f")),
  nullable(
    fc.constantFrom(
      "6f1f1f9e-0000-4000-8000-000000000001",
      `${"f".repeat(8)}-ffff-ffff-ffff-ffffffffffff`,
    ),
  ),
  nullable(fc.constantFrom("2026-02-28 00:00:00", "infinity", "0044-03-15 BC")),
  nullable(fc.constantFrom("2026-02-28", "infinity")),
  nullable(time),
  nullable(time),
  nullable(time),
  nullable(int(16n)),
  nullable(int(32n)),
  nullable(int(64n)),
  nullable(numeric),
  nullable(float(1e18)),
  nullable(float(1e90)),
  nullable(time),
);

interface Size {
  readonly ms: number;
  readonly offsetMs: number;
  /** The window's start, of `$` in place of the column. */
  readonly sql: string;
}

const EPOCH = "timestamp '1970-01-01'";
const SIZES: readonly Size[] = [
  { ms: 1000, offsetMs: 0, sql: "date_trunc('second', $)" },
  { ms: 60_000, offsetMs: 0, sql: "date_trunc('minute', $)" },
  { ms: 3_600_000, offsetMs: 0, sql: "date_trunc('hour', $)" },
  { ms: DAY, offsetMs: 0, sql: "date_trunc('day', $)" },
  { ms: 7 * DAY, offsetMs: 4 * DAY, sql: "date_trunc('week', $)" },
  { ms: 100, offsetMs: 0, sql: bin("100 ms", "0") },
  { ms: 7 * 60_000, offsetMs: 0, sql: bin("7 minutes", "0") },
  { ms: 3_600_000, offsetMs: 20 * 60_000, sql: bin("1 hour", "20 minutes") },
  { ms: 5 * DAY, offsetMs: 1500, sql: bin("5 days", "1.5 seconds") },
];

/** date_bin refuses the infinities; here they stay what they are. */
function bin(size: string, offset: string): string {
  const binned = `date_bin('${size}', $, ${EPOCH} + interval '${offset}')`;
  return `case when isfinite($) then ${binned} else $ end`;
}

const FUNCTIONS = ["sum", "avg", "min", "max", "count"] as const;
const testCase = fc.record({
  rows: fc.array(row, { minLength: 1, maxLength: 40 }),
  keys: fc.subarray(KEYS, { maxLength: 3 }),
  time: fc.constantFrom("at", "local", "day"),
  size: fc.constantFrom(...SIZES),
  aggregates: fc.uniqueArray(fc.tuple(fc.constantFrom(...FUNCTIONS), fc.constantFrom(...VALUES)), {
    minLength: 2,
    maxLength: 7,
    selector: ([fn, column]) => `${fn} ${column}`,
  }),
  cuts: fc.array(fc.boolean(), { minLength: 100, maxLength: 100 }),
});
type TestCase = typeof testCase extends fc.Arbitrary<infer T> ? T : never;

function aggregatesOf({ aggregates }: TestCase): WindowNode["aggregates"] {
  const possible = aggregates.filter(([fn, column]) => column !== "tz" || !/sum|avg/.test(fn));
  const named = possible.map(([fn, column], i) => ({ name: `v${i}`, fn, column }));
  return [{ name: "n", fn: "count", column: null }, ...named];
}

function planOf(chosen: TestCase, view: string): Plan {
  const { keys, size } = chosen;
  const window = {
    kind: "tumbling",
    sizeMs: size.ms,
    offsetMs: size.offsetMs,
    column: "w",
    otherColumn: null,
  } as const;
  const emission = EMIT_CHANGES;
  const source = { id: "s", table: "public.rows", eventTime: chosen.time, outOfOrderMs: 0 };
  return {
    pipeline: "oracle",
    nodes: [
      { op: "source", ...source, reads: "inserts", copy: false },
      {
        op: "window",
        id: "w",
        input: "s",
        keys,
        window,
        emission,
        aggregates: aggregatesOf(chosen),
      },
      { op: "view", id: "v", input: "w", table: view, retainMs: null },
    ],
  };
}

function oracleSql(chosen: TestCase): string {
  const column = chosen.time === "at" ? "(at at time zone 'UTC')" : `(${chosen.time}::timestamp)`;
  const start = chosen.size.sql.replaceAll("$", column);
  const zoned = chosen.time === "at" ? `(${start}) at time zone 'UTC'` : start;
  const values = aggregatesOf(chosen).map(({ fn, column: of }) =>
    of === null ? "count(*)::text" : `${fn}(${of} order by n)::text`,
  );
  const list = [...chosen.keys.map((key) => `${key}::text`), `(${zoned})::text`, ...values];
  const group = [...chosen.keys, "w"].join(", ");
  return `select array[${list.join(", ")}] as row
          from (select *, ${zoned} as w from rows where c = $1) as rows
          group by ${[group, zoned].join(", ")}`;
}

/** Inserts the rows of a case and returns them as the stream prints them. */
async function inserted(session: Session, number: number, rows: TestCase["rows"]): Promise<Row[]> {
  const names = COLUMNS.map(([name]) => name);
  const types = COLUMNS.map(([, , type], i) => `$${i + 2}::${type}[]`);
  const printed = COLUMNS.map(([name, , type]) =>
    type === "boolean" ? `left(${name}::text, 1)` : `${name}::text`,
  );
  const stored = await session.query(
    `insert into rows (c, n, ${names.join(", ")})
     select $1, o, ${names.join(", ")}
     from unnest(${types.join(", ")}) with ordinality as t(${names.join(", ")}, o)
     returning array[${printed.join(", ")}] as row`,
    [number, ...names.map((_, i) => rows.map((cells) => cells[i]))],
  );
  return stored.map(({ row: cells }) => cells as Row);
}

type Session = Awaited<ReturnType<typeof connect>>;
type Row = (string | null)[];

/** The rows as transactions of one to five, cut into batches, restored from blocks on the way. */
async function streamed(chosen: TestCase, rows: readonly Row[], view: string): Promise<void> {
  const plan = planOf(chosen, view);
  const sink = new PostgresSink(connect, view.replace("public.", ""));
  await sink.open();
  let harness = new OperatorHarness(plan, [table]);
  await sink.prepare(harness.compiled.shapes);
  const position = { systemId: "1", timeline: 1, lsn: 1n };
  await sink.claim(1, position);
  const relation = relationOf(20_000, "public.rows", COLUMNS);
  const messages: Buffer[] = [];
  for (let from = 0, lsn = 100n; from < rows.length; lsn += 100n) {
    const to = from + 1 + (chosen.cuts.slice(from, from + 4).filter(Boolean).length % 5);
    const changes = [relation, ...rows.slice(from, to).map((cells) => insert(20_000, cells))];
    const commitMs = Date.UTC(2026, 1, 28);
    messages.push(...messagesOf({ commitLsn: lsn, endLsn: lsn + 50n, commitMs, changes }));
    from = to;
  }
  const blocks = [];
  for (const [i, batch] of batchesOf(messages, (at) => chosen.cuts[at % 100] === true).entries()) {
    for (const slice of batch.transactions) harness.engine.apply(batch, slice);
    if (harness.engine.isInTransaction) continue;
    const outputs = harness.engine.collect();
    const lsn = harness.engine.cursor;
    const commit = {
      epoch: 1,
      position: { ...position, lsn },
      watermarkMs: null,
      idleMs: null,
      mustBeDurable: false,
    };
    await sink.write({ ...commit, outputs });
    const saved = finished(harness.engine.snapshot());
    blocks.push({ lsn, watermarkMs: null, changelog: [], blocks: saved });
    if (i % 3 !== 2) continue;
    harness = new OperatorHarness(plan, [table], { cursor: lsn });
    harness.engine.restore(merged(blocks));
  }
  await sink.close();
}

test(`a view holds what the SELECT gives, in ${CASES} random cases`, {
  timeout: 120_000,
}, async () => {
  const seed = Date.now() % 2 ** 31;
  const session = await connect();
  const columns = COLUMNS.map(([name, , type]) => `${name} ${type}`).join(", ");
  await session.query(`create table rows (c integer, n integer, ${columns})`);
  await session.query("create index on rows (c)");
  let compared = 0;
  for (const [number, chosen] of fc.sample(testCase, { numRuns: CASES, seed }).entries()) {
    const view = `public.view_${number}`;
    const rows = await inserted(session, number, chosen.rows);
    await streamed(chosen, rows, view);
    const expected = await session.query(oracleSql(chosen), [number]);
    const cells = [...chosen.keys, "w", ...aggregatesOf(chosen).map(({ name }) => name)];
    const texts = cells.map((name) => `${name}::text`).join(", ");
    const actual = await session.query(`select array[${texts}] as row from ${view}`);
    expect(sorted(actual), `seed ${seed}, case ${number}: ${oracleSql(chosen)}`).toEqual(
      sorted(expected),
    );
    await session.query(`drop table ${view}`);
    compared += expected.length;
  }
  await session.end();
  expect(compared).toBeGreaterThan(CASES);
});

function sorted(rows: readonly Readonly<Record<string, unknown>>[]): string[] {
  return rows.map((found) => JSON.stringify(found["row"])).sort();
}
