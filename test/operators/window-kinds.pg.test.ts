// Kinds of windows and of emission with PostgreSQL as the oracle: random changes to a table, cut
// into batches anywhere, collected, saved, crashed and restored anywhere; at the end the view is
// what the SELECT over the same rows gives, cell by cell as text.
import { expect, test } from "vitest";
import { avg, count, max, min, sum } from "../../src/pipeline/aggregate-specs.js";
import { pipeline, postgres } from "../../src/pipeline/builder.js";
import type { Plan } from "../../src/pipeline/plan.js";
import { slot } from "../../src/pipeline/specs.js";
import {
  cumulating,
  type EmissionOptions,
  hopping,
  session,
  sliding,
  tumbling,
  type WindowSpec,
} from "../../src/pipeline/window-specs.js";
import { type RowChange, runWindow, type WindowRun } from "../fixtures/window-run.js";
import { usePostgres } from "../services/postgres.js";
import { type Random, seededRandom } from "../torture/random.js";

const CASES = Number(process.env["TIDEMARK_TEST_CASES"] ?? 500);
const { sql } = await usePostgres();

/** A kind of window, and its windows of a time in SQL: columns `f` and `t`, from and to. */
interface Kind {
  readonly window: WindowSpec;
  readonly named: "f" | "t";
  /** Empty for windows that lie where rows do. */
  readonly windows: string;
}

function eventKindOf(random: Random): Kind {
  const ms = [0, 1, 250, 1000, 3000][random.between(0, 4)] as number;
  const window = random.chance(0.5)
    ? session({ gap: ms, column: "f", end: "t" })
    : sliding({ range: ms * random.between(1, 9), column: "f" });
  return { window, named: "f", windows: "" };
}

const ORIGINS = [0, Date.UTC(2026, 9, 25), -40_000];

function kindOf(random: Random): Kind {
  const unit = [1, 250, 1000][random.between(0, 2)] as number;
  const offset = random.chance(0.5) ? 0 : random.between(-20, 20) * unit;
  const ms = (n: number): string => `interval '${n} ms'`;
  const origin = `timestamptz 'epoch' + ${ms(offset)}`;
  const bin = (size: number): string => `date_bin(${ms(size)}, at, ${origin})`;
  if (random.chance(0.3)) {
    const step = unit * random.between(1, 4);
    const size = step * random.between(1, 30);
    return {
      window: cumulating({ size, step, offset, column: "t", start: "f" }),
      named: "t",
      windows: `select b as f, t from (select ${bin(size)} as b) b,
        generate_series(b + ${ms(step)}, b + ${ms(size)}, ${ms(step)}) t where t > at`,
    };
  }
  const slide = unit * random.between(1, 6);
  const size = random.chance(0.2) ? slide : unit * random.between(1, 60);
  const reach = Math.ceil(size / slide) * slide;
  const window =
    size === slide
      ? tumbling(size, "f", { offset, end: "t" })
      : hopping({ size, slide, offset, column: "f", end: "t" });
  return {
    window,
    named: "f",
    windows: `select f, f + ${ms(size)} as t from (select ${bin(slide)} as b) b,
      generate_series(b - ${ms(reach)}, b, ${ms(slide)}) f where f + ${ms(size)} > at`,
  };
}

interface Case extends Kind {
  readonly emission: EmissionOptions;
  readonly isAppendOnly: boolean;
  readonly retainMs: number | null;
  readonly outOfOrderMs: number;
  readonly transactions: readonly (readonly RowChange[])[];
}

function caseOf(random: Random): Case {
  if (random.chance(0.4)) return eventCaseOf(random);
  const kind = kindOf(random);
  const lateness = random.chance(0.5) ? random.between(0, 5000) : undefined;
  const emit = (["changes", "close", { every: random.between(1, 9000) }] as const)[
    random.between(0, 2)
  ] as NonNullable<EmissionOptions["emit"]>;
  const isAppendOnly = random.chance(0.5);
  const emission = { emit, ...(lateness === undefined ? {} : { lateness }) };
  return {
    ...kind,
    emission,
    isAppendOnly,
    retainMs: random.chance(0.3) ? random.between(0, 20_000) : null,
    outOfOrderMs: random.chance(0.5) ? 0 : random.between(0, 8000),
    transactions: changesOf(random, isAppendOnly),
  };
}

/** Where rows can be late for such windows, it depends on the others; here none is. */
function eventCaseOf(random: Random): Case {
  const kind = eventKindOf(random);
  const emit = random.chance(0.5) ? ("changes" as const) : ("close" as const);
  const lateness = random.chance(0.3) ? random.between(0, 5000) : undefined;
  const closes = emit === "close" || lateness !== undefined;
  const isRetained = random.chance(0.3) && !(closes && kind.window.kind === "session");
  const isAppendOnly = closes || isRetained || random.chance(0.4);
  return {
    ...kind,
    emission: { emit, ...(lateness === undefined ? {} : { lateness }) },
    isAppendOnly,
    retainMs: isRetained ? random.between(0, 20_000) : null,
    outOfOrderMs: 20_000,
    transactions: changesOf(random, isAppendOnly),
  };
}

function changesOf(random: Random, isAppendOnly: boolean): RowChange[][] {
  const base = ORIGINS[random.between(0, ORIGINS.length - 1)] as number;
  const span = random.chance(0.5) ? 5000 : 60_000;
  const table: (string | null)[][] = [];
  let clock = 0;
  const row = (): (string | null)[] => {
    clock += random.between(0, span / 40);
    const at = base + clock - (random.chance(0.3) ? random.between(0, span / 4) : 0);
    const micros = String(random.between(0, 999)).padStart(3, "0");
    const time = new Date(at).toISOString().replace("T", " ").replace("Z", `${micros}+00`);
    const m = (random.between(-9999, 9999) / 100).toFixed(random.between(2, 4));
    return [
      random.chance(0.1) ? null : (["a", "b", "ç"][random.between(0, 2)] as string),
      random.chance(0.03) ? null : time,
      random.chance(0.2) ? null : String(random.between(-5, 5)),
      random.chance(0.2) ? null : random.chance(0.03) ? "NaN" : m,
      random.chance(0.2) ? null : String(random.between(-64, 64) / 8),
    ];
  };
  const change = (): RowChange => {
    const at = random.between(0, table.length - 1);
    const kind = isAppendOnly || table.length === 0 ? 0 : random.between(0, 3);
    if (kind < 2) {
      const came = row();
      table.push(came);
      return { left: null, came };
    }
    const left = table[at] as (string | null)[];
    if (kind === 2) {
      table.splice(at, 1);
      return { left, came: null };
    }
    const came = random.chance(0.5) ? row() : [left[0], left[1], ...row().slice(2)];
    table[at] = came as (string | null)[];
    return { left, came: came as (string | null)[] };
  };
  const transactions = Array.from({ length: random.between(1, 25) }, () =>
    Array.from({ length: random.between(1, 6) }, change),
  );
  // Makes all due that is given out at intervals, and closes what was open.
  const far = new Date(base + 10 * span + 10_000_000).toISOString().replace("T", " ");
  return [
    ...transactions,
    [{ left: null, came: ["far", `${far.slice(0, 19)}+00`, null, null, null] }],
  ];
}

function planOf({ window, emission, isAppendOnly, retainMs, outOfOrderMs }: Case): Plan {
  const aggregates = {
    rows: count(),
    ns: count("n" as never),
    total: sum("n" as never),
    exact: sum("m" as never),
    mean: avg("m" as never),
    floats: sum("f" as never),
    least: min("m" as never),
    last: max("at" as never),
  };
  const options = { eventTime: "at", outOfOrder: outOfOrderMs, appendOnly: isAppendOnly } as never;
  return pipeline("kinds", { source: slot() }, (from) => {
    from("public.rows" as never, options)
      .groupBy("k" as never)
      .window(window, emission)
      .aggregate(aggregates as never)
      .into(postgres.view("v", retainMs === null ? {} : { retain: retainMs }));
  }).plan;
}

const VALUES = "count(*) count(n) sum(n) sum(m) avg(m) sum(x) min(m) max(at)".split(" ");

const EVENTS = `select k, at, n, m, f as v, weight, mark
  from unnest($1::text[], $2::timestamptz[], $3::integer[], $4::numeric[], $5::float8[],
    $6::integer[], $7::float8[]) as e(k, at, n, m, f, weight, ms),
  lateral (select case when ms > '-infinity'
    then timestamptz 'epoch' + ms * interval '1 ms' end as mark) as marks`;

function parametersOf({ events }: WindowRun): unknown[] {
  return [
    ...[0, 1, 2, 3, 4].map((i) => events.map(({ cells }) => cells[i])),
    events.map(({ weight }) => weight),
    events.map(({ watermarkMs }) => watermarkMs),
  ];
}

/** The same for windows that lie where rows do. */
async function expectedOfEvents(one: Case, run: WindowRun): Promise<Expected> {
  const { window, emission, retainMs } = one;
  const isFinal = emission.emit === "close";
  const lateness = Number(emission.lateness ?? 0);
  const end = (after: number): string =>
    `timestamptz 'epoch' + interval '${Number.isFinite(run.watermarkMs) ? run.watermarkMs : 0} ms'
       - interval '${after} ms'`;
  const gap = `interval '${window.kind === "session" ? window.gapMs : 0} ms'`;
  const range = `interval '${window.kind === "sliding" ? window.rangeMs : 0} ms'`;
  const over = `over (partition by k order by at range between ${range} preceding and current row)`;
  const isShown = [
    ...(isFinal ? [`t + ${gap} < ${end(lateness)}`] : []),
    ...(retainMs === null ? [] : [`not t + ${gap} < ${end(retainMs)}`]),
  ];
  const cells = (suffix: string): string =>
    VALUES.map((value) => `(${value} ${suffix})::text`).join(", ");
  const results =
    window.kind === "session"
      ? `select k, min(at) as f, max(at) as t, array[max(at)::text, ${cells("")}] as cells
         from numbered group by k, number`
      : `select distinct k, at as f, at as t, array[${cells(over)}] as cells from counted`;
  const [found] = await sql(
    `with events as (${EVENTS}),
     netted as (select k, at, n, m, v, sum(weight) as copies from events
       where isfinite(at) group by k, at, n, m, v),
     counted as (select k, at, n, m, v as x from netted, generate_series(1, copies)),
     begun as (select *, coalesce(at - lag(at) over (partition by k order by at) > ${gap}, true)
       as is_new from counted),
     numbered as (select *, count(*) filter (where is_new)
       over (partition by k order by at rows unbounded preceding) as number from begun),
     results as (${results})
     select coalesce((select jsonb_agg(jsonb_build_array(k, f::text) || to_jsonb(cells))
         from results where ${["true", ...isShown].join(" and ")}), '[]')::text as rows,
       (select count(*) from events where not coalesce(isfinite(at), false))::text as late`,
    parametersOf(run),
  );
  const rows = JSON.parse(String(found?.["rows"])) as (string | null)[][];
  const hasLate = isFinal || emission.lateness !== undefined;
  return {
    rows: rows.map((row) => JSON.stringify(row)).sort(),
    late: hasLate ? Number(found?.["late"]) : 0,
  };
}

interface Expected {
  readonly rows: readonly string[];
  readonly late: number;
}

/** The view and the number of late rows as PostgreSQL computes them. */
async function expected(one: Case, run: WindowRun): Promise<Expected> {
  if (one.windows === "") return expectedOfEvents(one, run);
  const { emit } = one.emission;
  const lateness = one.emission.lateness ?? (emit === "close" ? 0 : null);
  const ms = (n: number): string => `interval '${Number.isFinite(n) ? n : 0} ms'`;
  const end = `timestamptz 'epoch' + ${ms(run.watermarkMs)}`;
  const closed = (time: string, after: number | null): string =>
    after === null ? "false" : `coalesce(t + ${ms(after as number)} <= ${time}, false)`;
  const isGone = closed(end, one.retainMs);
  const isFinal = emit === "close" ? closed(end, lateness as number) : "true";
  const isOver = closed("mark", lateness as number | null);
  const isLate = `(${isOver} or ${closed("mark", one.retainMs)})`;
  const names = one.named === "f" ? ["f", "t"] : ["t", "f"];
  // An event that took a row out takes away one that is the same and came in before.
  const [found] = await sql(
    `with events as (${EVENTS}),
     placed as (select e.*, w.f, w.t, ${isLate} as is_late
       from events e, lateral (${one.windows}) w where isfinite(at)),
     netted as (select k, f, t, at, n, m, v, sum(weight) as copies
       from placed where not is_late group by k, f, t, at, n, m, v),
     counted as (select k, f, t, at, n, m, v as x from netted, generate_series(1, copies))
     select coalesce((select jsonb_agg(row) from (select jsonb_build_array(
         k, ${names.map((name) => `${name}::text`).join(", ")},
         ${VALUES.map((value) => `(${value})::text`).join(", ")}) as row
       from counted where not ${isGone} and ${isFinal} group by k, f, t) r), '[]')::text as rows,
       (select count(*) from events e where not coalesce(isfinite(at), false) or exists (
         select from (${one.windows}) w where ${isLate}))::text as late`,
    parametersOf(run),
  );
  const rows = JSON.parse(String(found?.["rows"])) as (string | null)[][];
  const hasLate = emit !== "changes" || lateness !== null;
  return {
    rows: rows.map((row) => JSON.stringify(row)).sort(),
    late: hasLate ? Number(found?.["late"]) : 0,
  };
}

test(`views of windows hold what the SELECT gives, in ${CASES} random cases`, {
  timeout: 240_000,
}, async () => {
  const random = seededRandom();
  let compared = 0;
  for (let number = 0; number < CASES; number++) {
    const one = caseOf(random);
    const cut = random.between(0, 1) / 2;
    const run = runWindow(planOf(one), one.transactions, {
      isCut: () => random.chance(cut),
      collects: () => random.chance(0.6),
      checkpoints: () => random.chance(0.5),
      crashes: () => random.chance(0.1),
    });
    const wanted = await expected(one, run);
    const { transactions: _, ...shown } = one;
    const about = `case ${number}: ${JSON.stringify(shown)}`;
    const isFar = (row: string): boolean => row.startsWith('["far"');
    const actual = run.rows.filter((row) => !isFar(row));
    expect(actual, about).toEqual(wanted.rows.filter((row) => !isFar(row)));
    expect(run.late, `late rows, ${about}`).toBe(wanted.late);
    compared += actual.length;
  }
  expect(compared).toBeGreaterThan(CASES);
});
