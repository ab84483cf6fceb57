// A condition in SQL finds what the same condition as a function finds.
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { loadGrammar } from "../../../src/expression/grammar.js";
import { sql } from "../../../src/expression/sql-text.js";
import type { Pattern } from "../../../src/pipeline/pattern-builder.js";
import { OperatorHarness } from "../../fixtures/operator-harness.js";
import { commitOf, matchesIn, matchPlan, type SaleRow } from "../../fixtures/patterns.js";
import { batchesOf, type Sale, sales } from "../../fixtures/shop.js";

const T0 = Date.UTC(2026, 10, 23, 12);
const grammar = await loadGrammar();

type Begin = <N extends string>(name: N) => Pattern<SaleRow, N>;
type Build = (begin: Begin) => Pattern<SaleRow, string>;

function matchesOf(build: Build, commits: readonly (readonly Sale[])[]): string[] {
  const harness = new OperatorHarness(matchPlan(build), [sales], { grammar });
  const messages = commits.flatMap((rows, i) => commitOf(i + 1, T0 + i * 1000, rows));
  return harness.run(batchesOf(messages)).flatMap(({ changelog }) => matchesIn(changelog));
}

const amount = (row: SaleRow | undefined): number | null =>
  row === undefined || row.amount === null ? null : row.amount.toNumber();
const total = (rows: readonly SaleRow[]): number =>
  rows.reduce((sum, row) => sum + (amount(row) ?? 0), 0);

/** The same pattern twice: in SQL, and in TypeScript. */
const PAIRS: Readonly<Record<string, readonly [Build, Build]>> = {
  "of the row alone": [
    (begin) =>
      begin("a")
        .where(sql`units = 1 AND amount > 1`)
        .followedBy("b")
        .where(sql`sales.units IN (2, 3)`),
    (begin) =>
      begin("a")
        .where((row) => row.units === 1 && (amount(row) ?? 0) > 1)
        .followedBy("b")
        .where((row) => row.units === 2 || row.units === 3),
  ],
  "of a column of another step": [
    (begin) =>
      begin("a")
        .where(sql`units = 1`)
        .followedByAny("b")
        .where(sql`units = 2 AND amount > a.amount`),
    (begin) =>
      begin("a")
        .where((row) => row.units === 1)
        .followedByAny("b")
        .where((row, { a }) => {
          const [left, right] = [amount(row), amount(a[0])];
          return row.units === 2 && left !== null && right !== null && left > right;
        }),
  ],
  "of a loop's first, last, count and sum": [
    (begin) =>
      begin("rise")
        .where(sql`units = 1`)
        .where(sql`COUNT(rise) = 0 OR amount >= LAST(rise.amount)`)
        .oneOrMore()
        .followedBy("end")
        .where(sql`units = 3 AND COUNT(rise) >= 2 AND SUM(rise.amount) > 4
          AND LAST(rise.amount, 1) >= FIRST(rise.amount)`),
    (begin) =>
      begin("rise")
        .where((row) => row.units === 1)
        .where((row, { rise }) => {
          const [left, right] = [amount(row), amount(rise.at(-1))];
          return rise.length === 0 || (left !== null && right !== null && left >= right);
        })
        .oneOrMore()
        .followedBy("end")
        .where((row, { rise = [] }: Record<string, readonly SaleRow[]>) => {
          const [before, first] = [amount(rise.at(-2)), amount(rise[0])];
          const isRising = before !== null && first !== null && before >= first;
          return row.units === 3 && rise.length >= 2 && total(rise) > 4 && isRising;
        }),
  ],
  "joined with a function, and until one": [
    (begin) =>
      begin("a")
        .where(sql`units = 1`)
        .or((row) => row.units === 4)
        .oneOrMore()
        .until(sql`amount < AVG(a.amount)`)
        .followedBy("b")
        .where(sql`units = 2`),
    (begin) =>
      begin("a")
        .where((row) => row.units === 1 || row.units === 4)
        .oneOrMore()
        .until((row, { a }) => {
          const known = a.filter((one) => one.amount !== null);
          const left = amount(row);
          return left !== null && known.length > 0 && left < total(known) / known.length;
        })
        .followedBy("b")
        .where((row) => row.units === 2),
  ],
};

const aSale = fc
  .tuple(fc.constantFrom("1.00", "1.25", "2.50", "4.00", null), fc.integer({ min: 1, max: 4 }))
  .map(([price, units]): Sale => ["shop", T0, price, String(units)]);
const stream = fc.array(fc.array(aSale, { minLength: 1, maxLength: 4 }), {
  minLength: 2,
  maxLength: 12,
});

describe("a condition in SQL", () => {
  test.each(Object.keys(PAIRS))("%s finds what the function finds", (name) => {
    const [inSql, inTypeScript] = PAIRS[name] as readonly [Build, Build];
    let matches = 0;
    fc.assert(
      fc.property(stream, (commits) => {
        const found = matchesOf(inSql, commits);
        expect(found).toEqual(matchesOf(inTypeScript, commits));
        matches += found.length;
      }),
      { numRuns: 100 },
    );
    expect(matches).toBeGreaterThan(10);
  });

  test.each([
    [
      "amont > 1",
      /match public\.matches: .*column 1: there is no column amont; did you mean amount/,
    ],
    ["units = b.units", /there is no column b\.units/],
    ["COUNT(b) > 1", /count\(\) takes a step here, by its name/],
    ["SUM(a.shop) > 1", /sum\(\) does not take text/],
    ["MAX(a.shop) = 'x'", /max\(\) does not take text here/],
    ["LAST(units) > 1", /last\(\): units is no column of a step/],
    ["at < now()", /now\(\) has no fixed meaning here: its rows are committed at several times/],
    ["units + 1", /takes a condition|is of type integer/],
  ])("%s is refused with its place", (text, message) => {
    const build: Build = (begin) => begin("a").where({ kind: "sql", text });
    expect(() => matchesOf(build, [])).toThrow(message);
  });
});
