import { expect, test } from "vitest";
import { loadGrammar } from "../../../src/expression/grammar.js";
import { sql } from "../../../src/expression/sql-text.js";
import {
  approxCountDistinct,
  approxPercentile,
  arrayAgg,
  boolAnd,
  count,
  first,
  percentileCont,
  stringAgg,
  top,
  userAggregate,
  varPop,
} from "../../../src/pipeline/aggregate-specs.js";
import { pipeline, postgres } from "../../../src/pipeline/builder.js";
import { compilePlan } from "../../../src/pipeline/compile.js";
import { describePlan } from "../../../src/pipeline/describe.js";
import { slot } from "../../../src/pipeline/specs.js";
import { sales } from "../../fixtures/shop.js";

type Aggregates = Record<string, unknown>;

/** A plan over the shop's sales as they stand, without a time, or as they come. */
function planOf(aggregates: Aggregates, isGrowing = false, having = sql`true`) {
  return pipeline<Record<string, never>>("shop", { source: slot() }, (from) => {
    const rows = isGrowing ? from("public.sales", { appendOnly: true }) : from("public.sales");
    rows
      .groupBy("shop" as never)
      .aggregate(aggregates as never)
      .having(having)
      .into(postgres.view("stats"));
  }).plan;
}

const grammar = await loadGrammar();
const table = { ...sales, replicaIdentity: "full" } as const;
const product = {
  ...{ name: "product", version: 1, sqlType: "integer", init: () => 1 },
  add: (state: number, value: number) => state * value,
  merge: (state: number, other: number) => state * other,
  result: (state: number) => state,
  codec: { encode: String, decode: Number },
};

test.each<[string, Aggregates, RegExp]>([
  ["an approximate count of rows that leave", { n: approxCountDistinct("shop") }, /countDistinct/],
  ["an order that the log does not tell", { n: first("amount") }, /name one with \{ by \}/],
  [
    "an order of text by a collation",
    { n: arrayAgg("units", { by: "shop" }) },
    /ordered by "shop"/,
  ],
  ["the greatest texts by a collation", { n: top("shop", 2) }, /text with collation "C"/],
  ["a boolean of numbers", { n: boolAnd("units") }, /takes booleans/],
  ["joined numbers", { n: stringAgg("units", ",", { by: "at" }) }, /takes text/],
  ["a spread of times", { n: varPop("at") }, /takes numbers/],
  ["a mean of times", { n: percentileCont("at", 0.5) }, /takes numbers/],
  ["what cannot be removed", { n: userAggregate("units", product) }, /no remove\(\)/],
  ["a filter on no column", { n: count({ filter: sql`town = 'x'` }) }, /window public.stats n/],
])("%s is refused", (_, aggregates, message) => {
  expect(() => compilePlan(planOf(aggregates), [table], grammar)).toThrow(
    expect.objectContaining({ message: expect.stringMatching(message) }),
  );
});

test.each([
  ["a column that the result has not", sql`units > 1`, "EXPRESSION_INVALID"],
  ["a result that is no condition", sql`n + 1`, "EXPRESSION_INVALID"],
])("having %s is refused", (_, having, code) => {
  const plan = planOf({ n: count() }, true, having);
  expect(() => compilePlan(plan, [table], grammar)).toThrow(expect.objectContaining({ code }));
});

test.each([
  ["a fraction", () => percentileCont("units", 1.1)],
  ["a count", () => top("units", 0)],
  ["an accuracy", () => approxPercentile("units", 0.5, { accuracy: 0 })],
])("%s out of range is refused where it is written", (_, write) => {
  expect(write).toThrow(expect.objectContaining({ code: "PLAN_INVALID" }));
});

test("a plan prints what its aggregates count and which results it keeps", () => {
  const aggregates = {
    n: count({ filter: sql`units > 1` }),
    names: stringAgg("shop", ", ", { by: "at" }),
    product: userAggregate("units", product),
  };
  expect(describePlan(planOf(aggregates, true, sql`n > 10`))).toContain(
    "n = count(*) where units > 1, " +
      'names = string_agg(shop, ", ") by at, product = product version 1 (units) having n > 10',
  );
});
