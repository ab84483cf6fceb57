// What happens to other matches when one is given out, and in which order matches come.
import { describe, expect, test } from "vitest";
import type { TidemarkError } from "../../../src/core/errors.js";
import type { Pattern } from "../../../src/pipeline/pattern-builder.js";
import { OperatorHarness } from "../../fixtures/operator-harness.js";
import { commitOf, matchesIn, matchPlan, of, type SaleRow } from "../../fixtures/patterns.js";
import { batchesOf, type Sale, sales } from "../../fixtures/shop.js";

type Begin = <N extends string>(name: N) => Pattern<SaleRow, N>;

/** The matches of one transaction whose rows have these units, as ordinals. */
function matches(build: (begin: Begin) => Pattern<SaleRow, string>, units: string): string[] {
  const plan = matchPlan(build, { isTimedOutKept: false });
  const rows = [...units].map((unit): Sale => ["a", 0, "1", unit]);
  const [record] = new OperatorHarness(plan, [sales]).run(batchesOf(commitOf(1, 0, rows)));
  return matchesIn(record?.changelog ?? []).map((line) => {
    return [...line.matchAll(/@1\.(\d+)/g)].map(([, ordinal]) => ordinal).join("");
  });
}

describe("after a match", () => {
  const three = (begin: Begin) => begin("x").where(of(1)).times(3);

  test("noSkip drops nothing", () => {
    expect(matches(three, "11111")).toEqual(["012", "123", "234"]);
  });

  test("pastLast drops those that start up to its last row", () => {
    expect(matches((begin) => three(begin).afterMatch("pastLast"), "111111")).toEqual([
      "012",
      "345",
    ]);
  });

  test("toNext drops those that start with the same row", () => {
    const loop = (begin: Begin) =>
      begin("a").where(of(1)).next("b").where(of(2)).oneOrMore().consecutive();
    expect(matches(loop, "1222")).toEqual(["01", "012", "0123"]);
    expect(matches((begin) => loop(begin).afterMatch("toNext"), "1222")).toEqual(["01"]);
  });

  test("toLast drops those that start before the last row of a step", () => {
    const build = (begin: Begin) =>
      begin("b").where(of(2)).oneOrMore().consecutive().greedy().next("c").where(of(3));
    expect(matches(build, "2223")).toEqual(["0123", "123", "23"]);
    expect(matches((begin) => build(begin).afterMatch("toLast", "b"), "2223")).toEqual([
      "0123",
      "23",
    ]);
    expect(matches((begin) => build(begin).afterMatch("pastLast"), "2223")).toEqual(["0123"]);
  });

  test("a skip that is to fail on a miss fails", () => {
    const build = (begin: Begin) =>
      begin("a").where(of(1)).next("b").where(of(2)).optional().next("c").where(of(3));
    const failing = (begin: Begin) => build(begin).afterMatch("toFirst", "b", { onMiss: "error" });
    expect(matches((begin) => build(begin).afterMatch("toFirst", "b"), "13")).toEqual(["01"]);
    const skip = expect.objectContaining({ code: "PATTERN_SKIP" }) as TidemarkError;
    expect(() => matches(failing, "13")).toThrow(skip);
  });

  test("a match is held back while a run that started earlier may still complete", () => {
    const build = (begin: Begin) =>
      begin("x")
        .where((row) => row.units !== 3)
        .next("y")
        .where(of(2));
    expect(matches((begin) => build(begin).afterMatch("pastLast"), "1122")).toEqual(["12"]);
    const waiting = (begin: Begin) =>
      begin("x")
        .where((row) => row.units === 1 || row.units === 2)
        .followedBy("y")
        .where((row, { x }) => row.units === (x[0]?.units === 1 ? 4 : 3))
        .afterMatch("pastLast");
    expect(matches(waiting, "123")).toEqual([]);
    expect(matches(waiting, "1234")).toEqual(["03"]);
  });
});

test("matches of one row come by first row, then by the rows of their steps (deviation 5)", () => {
  const build = (begin: Begin) =>
    begin("a")
      .where(of(1))
      .followedByAny("b")
      .where(of(2))
      .oneOrMore()
      .allowCombinations()
      .followedBy("c")
      .where(of(3));
  expect(matches(build, "12213")).toEqual(["0124", "014", "024"]);
  expect(matches(build, "11223")).toEqual(["0234", "024", "034", "1234", "124", "134"]);
});

test("a gap has a timer of its own, which ends a run without another row (deviation 3)", () => {
  const plan = matchPlan((begin) =>
    begin("a").where(of(1)).notFollowedBy("b").where(of(2)).gap("10s"),
  );
  const harness = new OperatorHarness(plan, [sales]);
  harness.run(batchesOf(commitOf(1, 0, [["a", 0, "1", "1"]])));
  harness.engine.onIdle(9_999);
  expect(harness.record().changelog).toEqual([]);
  harness.engine.onIdle(10_000);
  expect(matchesIn(harness.record().changelog)).toEqual(["matches a: a@1.0"]);
});

test("a loop before an absence at the end needs no further row", () => {
  const plan = matchPlan((begin) =>
    begin("a").where(of(1)).oneOrMore().notFollowedBy("b").where(of(2)).within("10s"),
  );
  const harness = new OperatorHarness(plan, [sales]);
  harness.run(batchesOf(commitOf(1, 0, [["a", 0, "1", "1"]])));
  harness.engine.onIdle(10_000);
  expect(matchesIn(harness.record().changelog)).toEqual(["matches a: a@1.0"]);
});

test("a repeated group passes over rows without doubling its matches", () => {
  const group = (begin: Begin) => begin("b").where(of(2)).next("c").where(of(3));
  const build = (begin: Begin) =>
    begin("a").where(of(1)).followedBy(group(begin)).oneOrMore().followedBy("d").where(of(4));
  expect(matches(build, "12399234")).toEqual(["012567", "0127"]);
});
