import { describe, expect, test } from "vitest";
import type { Numeric } from "../../src/core/numeric.js";
import type { Timestamp } from "../../src/core/timestamp.js";
import { count, sum } from "../../src/pipeline/aggregate-specs.js";
import { type From, pipeline, postgres } from "../../src/pipeline/builder.js";
import { compilePlan } from "../../src/pipeline/compile.js";
import { describePlan } from "../../src/pipeline/describe.js";
import type { Plan, WindowNode } from "../../src/pipeline/plan.js";
import { resolveSettings } from "../../src/pipeline/settings.js";
import { slot } from "../../src/pipeline/specs.js";
import { tumbling } from "../../src/pipeline/window-specs.js";
import { salesPlan } from "../fixtures/pipeline-harness.js";
import { catalogTable, sales } from "../fixtures/shop.js";

interface Shop {
  "public.sales": { shop: string | null; at: Timestamp; amount: Numeric | null; units: number };
}

const SOURCE = { source: slot({ url: "postgres://u@h/source" }) };
const invalid = (message: RegExp) =>
  expect.objectContaining({ code: "PLAN_INVALID", message: expect.stringMatching(message) });
const build = (use: (from: From<Shop>) => void) => pipeline<Shop>("shop", SOURCE, use);
const rows = (from: From<Shop>) => from("public.sales", { appendOnly: true, eventTime: "at" });
const minutes = tumbling("1 minute", "minute");

describe("a definition", () => {
  test("is a plan of named steps", () => {
    const { plan } = build((from) => {
      rows(from)
        .filter((row) => row.units > 0)
        .groupBy("shop")
        .window(tumbling("7 minutes", "w", { offset: "15 minutes" }))
        .aggregate({ n: count(), total: sum("amount") })
        .into(postgres.view("stats", { retain: "1 day" }));
    });
    expect(describePlan(plan).split("\n")).toEqual([
      "pipeline shop",
      "  from public.sales: changes of public.sales, append-only, event time at, out of order by up to 0s",
      "  from public.sales filter: of from public.sales: rows that pass a function",
      "  window public.stats: of from public.sales filter: windows of 7m by shop: n = count(*), total = sum(amount)",
      "  view public.stats: of window public.stats: table public.stats, windows kept for 1d",
    ]);
    const window = plan.nodes.find((node) => node.op === "window")?.window;
    expect(window).toMatchObject({ kind: "tumbling", offsetMs: 60_000 });
  });

  test.each<[string, () => unknown, RegExp]>([
    ["no output", () => build((from) => rows(from)), /no output/],
    [
      "no aggregate",
      () =>
        build((from) =>
          rows(from).groupBy().window(minutes).aggregate({}).into(postgres.view("v")),
        ),
      /computes nothing/,
    ],
    [
      "two columns of one name",
      () =>
        build((from) =>
          rows(from)
            .groupBy("shop")
            .window(minutes)
            .aggregate({ shop: count() })
            .into(postgres.view("v")),
        ),
      /two columns are called "shop"/,
    ],
    [
      "two outputs of one table",
      () =>
        build((from) => {
          for (const table of ["v", "public.v"])
            rows(from)
              .groupBy()
              .window(minutes)
              .aggregate({ n: count() })
              .into(postgres.view(table));
        }),
      /Two outputs write public\.v/,
    ],
    [
      "a view that nothing names the rows of",
      () =>
        build((from) =>
          from("public.sales").groupBy().aggregate({ n: count() }).into(postgres.view("v")),
        ),
      /group by a column/,
    ],
    [
      "retain without a window",
      () =>
        build((from) =>
          from("public.sales")
            .groupBy("shop")
            .aggregate({ n: count() })
            .into(postgres.view("v", { retain: "1 hour" })),
        ),
      /there is no window/,
    ],
    ["windows of half a millisecond", () => tumbling(0.5), /whole milliseconds/],
  ])("with %s is refused", (_, make, message) => {
    expect(make).toThrow(invalid(message));
  });

  test.each(["", "Shop", "1shop", "a-b", `a${"b".repeat(48)}`])("cannot be called %j", (name) => {
    expect(() => pipeline(name, SOURCE, () => {})).toThrow(
      expect.objectContaining({ code: "CONFIG_INVALID" }),
    );
  });

  test("of a wrong table, column or type does not compile", () => {
    const wrong = (from: From<Shop>) => {
      // @ts-expect-error there is no such table
      from("public.orders", { appendOnly: true });
      // @ts-expect-error text is no event time
      from("public.sales", { appendOnly: true, eventTime: "shop" });
      // @ts-expect-error rows that leave again cannot be appended
      from("public.sales", { appendOnly: false }).into(postgres.append("copy"));
      // @ts-expect-error there is no such column
      rows(from).groupBy("town");
      // @ts-expect-error rows have no such column
      rows(from).filter((row) => row.town === "x");
      const windows = rows(from).groupBy("shop").window(minutes);
      // @ts-expect-error text has no sum
      windows.aggregate({ total: sum("shop") });
      // @ts-expect-error a time has no sum
      windows.aggregate({ total: sum("at") });
      // @ts-expect-error there is no such column
      windows.aggregate({ n: count("town") });
    };
    expect(wrong).toBeTypeOf("function");
  });
});

describe("compiling", () => {
  function changed(change: Partial<WindowNode>): Plan {
    const plan = salesPlan();
    return {
      ...plan,
      nodes: plan.nodes.map((node) => (node.op === "window" ? { ...node, ...change } : node)),
    };
  }
  const one = (fn: "sum" | "avg" | "min" | "max", column: string | null) =>
    changed({ aggregates: [{ name: "v", fn, column }] });

  test.each<[string, Plan, RegExp]>([
    ["an unknown group column", changed({ keys: ["town"] }), /no column "town"; it has shop, at/],
    ["a group of numeric", changed({ keys: ["amount"] }), /grouping by "amount"/],
    ["an unknown value column", one("sum", "town"), /no column "town"/],
    ["a sum of text", one("sum", "shop"), /column has type text/],
    ["an average of times", one("avg", "at"), /takes numbers\./],
    ["a least text", one("min", "shop"), /takes numbers, timestamps, dates/],
    ["a sum of nothing", one("sum", null), /needs a column/],
    ["an input that is not there", changed({ input: "nowhere" }), /no such step/],
  ])("refuses %s", (_, plan, message) => {
    expect(() => compilePlan(plan, [sales])).toThrow(invalid(message));
  });

  test.each(["sum", "avg"] as const)("refuses %s of oid, which PostgreSQL has not", (fn) => {
    const table = catalogTable("public.sales", [
      ["shop", 25, "text"],
      ["at", 1184, "timestamp with time zone"],
      ["id", 26, "oid"],
    ]);
    expect(() => compilePlan(one(fn, "id"), [table])).toThrow(invalid(/type oid/));
  });

  test("refuses a table that is not described, and an event time that is none", () => {
    expect(() => compilePlan(salesPlan(), [])).toThrow(invalid(/not described/));
    const table = catalogTable("public.sales", [
      ["shop", 25, "text"],
      ["at", 25, "text"],
      ["amount", 1700, "numeric"],
      ["units", 23, "integer"],
    ]);
    expect(() => compilePlan(salesPlan(), [table])).toThrow(
      invalid(/event time "at"|takes numbers, timestamps, dates/),
    );
  });

  test("gives the view PostgreSQL's types", () => {
    const [shape] = compilePlan(salesPlan(), [sales]).shapes;
    expect(shape?.columns.map(({ name, sqlType }) => `${name} ${sqlType}`)).toEqual([
      ...["shop text", "minute timestamp with time zone", "n bigint", "total numeric"],
      ...["mean numeric", "least timestamp with time zone", "most numeric"],
    ]);
  });
});

describe("settings", () => {
  const definition = (options: object) =>
    pipeline<Shop>("shop", { source: slot(options) }, (from) =>
      rows(from).groupBy().window(minutes).aggregate({ n: count() }).into(postgres.view("v")),
    );

  test("come from the file, then the environment, then the defaults, and are frozen", () => {
    const env = (name: string) =>
      ({
        TIDEMARK_SOURCE_URL: "postgres://env/a",
        TIDEMARK_SLOT: "s",
        TIDEMARK_FLUSH_INTERVAL: "5ms",
      })[name];
    const settings = resolveSettings(definition({ publication: "p" }), env);
    expect(settings.source).toMatchObject({
      url: "postgres://env/a",
      slotName: "s",
      publication: "p",
      walSenderTimeoutMs: 20_000,
    });
    expect(settings).toMatchObject({
      resultsUrl: "postgres://env/a",
      checkpoint: { kind: "postgres", url: "postgres://env/a" },
    });
    expect(settings.run).toMatchObject({
      flushIntervalMs: 5,
      checkpointIntervalMs: 5000,
      idleCheckpointIntervalMs: 10_000,
    });
    expect(Object.isFrozen(settings.run)).toBe(true);
    expect(resolveSettings(definition({ url: "postgres://file/a" }), env).source.url).toBe(
      "postgres://file/a",
    );
  });

  test.each([
    ["binary", { binary: true }, {}],
    ["a recording", {}, { TIDEMARK_RECORD: "/tmp/r" }],
  ])("wal2json with %s is refused", (what, options, variables: Record<string, string>) => {
    const defined = definition({ url: "postgres://h/d", plugin: "wal2json", ...options });
    expect(() => resolveSettings(defined, (name) => variables[name])).toThrow(
      `cannot be had with ${what}`,
    );
  });

  test("without a source, or with a malformed one, name option and variable", () => {
    expect(() => resolveSettings(definition({}), () => undefined)).toThrow(
      /slot\(\{ url \}\) or TIDEMARK_SOURCE_URL/,
    );
    const env = (name: string) => (name === "TIDEMARK_FLUSH_INTERVAL" ? "soon" : undefined);
    expect(() => resolveSettings(definition({ url: "postgres://h/d" }), env)).toThrow(
      /TIDEMARK_FLUSH_INTERVAL takes a duration/,
    );
  });
});
