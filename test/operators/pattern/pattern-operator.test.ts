import { describe, expect, test } from "vitest";
import type { TidemarkError } from "../../../src/core/errors.js";
import type { Plan } from "../../../src/pipeline/plan.js";
import { OperatorHarness } from "../../fixtures/operator-harness.js";
import { commitOf, matchesIn, matchPlan, of } from "../../fixtures/patterns.js";
import { batchesOf, type Sale, sales } from "../../fixtures/shop.js";

const T0 = Date.UTC(2026, 10, 23, 12);

/** A transaction: seconds since T0, and its sales. */
type Commit = readonly [seconds: number, ...rows: Sale[]];

/** A sale of a shop at its commit's time. */
const sold = (shop: string, units: number): Sale => [shop, T0, "1.00", String(units)];
/** A sale with an event time of its own, in seconds since T0. */
const at = (shop: string, units: number, seconds: number | null): Sale => {
  return [shop, seconds === null ? null : T0 + seconds * 1000, "1.00", String(units)];
};

/** What each commit gives, and after the last one what the server's clock gives. */
function play(plan: Plan, commits: readonly Commit[], idleSeconds?: number): string[][] {
  const harness = new OperatorHarness(plan, [sales]);
  const messages = commits.flatMap(([seconds, ...rows], i) =>
    commitOf(i + 1, T0 + seconds * 1000, rows),
  );
  const given = harness.run(batchesOf(messages)).map(({ changelog }) => matchesIn(changelog));
  if (idleSeconds === undefined) return given;
  harness.engine.onIdle(T0 + idleSeconds * 1000);
  return [...given, matchesIn(harness.record().changelog)];
}

const journey = matchPlan((begin) =>
  begin("login")
    .where(of(1))
    .next("purchase")
    .where(of(2))
    .next("logout")
    .where(of(3))
    .within("1h"),
);
const unpaid = matchPlan((begin) =>
  begin("created").where(of(1)).notFollowedBy("paid").where(of(2)).within("10m"),
);

describe("by commit time", () => {
  test("a match is given with the transaction of its last row", () => {
    const given = play(journey, [
      [0, sold("a", 1)],
      [1, sold("b", 1), sold("a", 2)],
      [2, sold("b", 3), sold("a", 3)],
    ]);
    expect(given).toEqual([[], [], ["matches a: login@1.0 purchase@2.1 logout@3.1"]]);
  });

  test("rows of one transaction follow each other", () => {
    const given = play(journey, [[0, sold("a", 1), sold("b", 1), sold("a", 2), sold("a", 3)]]);
    expect(given).toEqual([["matches a: login@1.0 purchase@1.2 logout@1.3"]]);
  });

  test("NULL is a key", () => {
    const rows: Sale[] = [1, 2, 3].map((units) => [null, T0, "1.00", String(units)]);
    expect(play(journey, [[0, ...rows]])[0]).toHaveLength(1);
  });

  test("a partial match whose time is over is given as timed out, at start and within", () => {
    const given = play(journey, [
      [0, sold("a", 1)],
      [10, sold("a", 2)],
      [3600, sold("b", 9)],
    ]);
    expect(given).toEqual([[], [], ["timeouts a: login@1.0 purchase@2.0"]]);
  });

  test("an absence is given once, when the server's clock reaches start and within", () => {
    const commits: Commit[] = [
      [0, sold("a", 1), sold("b", 1)],
      [5, sold("b", 2)],
    ];
    expect(play(unpaid, commits, 599)).toEqual([[], [], []]);
    expect(play(unpaid, commits, 600)).toEqual([[], [], ["matches a: created@1.0"]]);
    const harness = new OperatorHarness(unpaid, [sales]);
    harness.run(batchesOf(commitOf(1, T0, [sold("a", 1)])));
    harness.engine.onIdle(T0 + 600_000);
    expect(harness.record().changelog).toHaveLength(1);
    harness.engine.onIdle(T0 + 1_200_000);
    expect(harness.record().changelog).toEqual([]);
  });

  test("an absence is stamped start and within, whenever it was seen", () => {
    const harness = new OperatorHarness(unpaid, [sales]);
    harness.run(batchesOf(commitOf(1, T0, [sold("a", 1)])));
    harness.engine.onIdle(T0 + 5_000_000);
    expect(harness.record().changelog[0]).toContain("| 2026-11-23 12:10:00+00 |");
  });

  test("commits whose times are a moment out of order are matched in commit order", () => {
    const given = play(journey, [
      [0, sold("a", 1)],
      [2, sold("a", 2)],
      [1.5, sold("a", 3)],
    ]);
    expect(given[2]).toEqual(["matches a: login@1.0 purchase@2.0 logout@3.0"]);
  });

  test("absences of many keys come in the order of their times", () => {
    const commits: Commit[] = [3, 1, 2].map((k) => [k, sold(`shop ${k}`, 1)]);
    commits.sort((one, other) => one[0] - other[0]);
    const more: Commit[] = Array.from({ length: 50 }, (_, k) => [4 + k, sold(`more ${k}`, 1)]);
    const given = play(unpaid, [...commits, ...more], 10_000).at(-1) ?? [];
    const lsns = given.map((line) => Number(/@(\d+)/.exec(line)?.[1]));
    expect(lsns).toHaveLength(53);
    expect(lsns).toEqual([...lsns].sort((a, b) => a - b));
  });

  test("the id of a match depends on pattern, key and positions alone", () => {
    const ids = (plan: Plan): string[] => {
      const harness = new OperatorHarness(plan, [sales]);
      const rows = ["a", "b"].flatMap((shop) => [1, 2, 3].map((units) => sold(shop, units)));
      const [record] = harness.run(batchesOf(commitOf(1, T0, rows)));
      return record?.changelog.map((line) => /\+ ([0-9a-f]{32}) /.exec(line)?.[1] ?? "") ?? [];
    };
    expect(new Set(ids(journey)).size).toBe(2);
    expect(ids(journey)).toEqual(ids(journey));
  });
});

describe("by a column", () => {
  const byColumn = (outOfOrder: string): Plan =>
    matchPlan(
      (begin) => begin("login").where(of(1)).next("purchase").where(of(2)).next("out").where(of(3)),
      { source: { eventTime: "at", outOfOrder } },
    );

  test("rows are matched in the order of their event times", () => {
    const given = play(byColumn("10s"), [
      [20, at("a", 3, 3), at("a", 1, 1)],
      [21, at("a", 2, 2)],
      [40, at("b", 9, 30)],
    ]);
    expect(given).toEqual([[], [], ["matches a: login@1.1 purchase@2.0 out@1.0"]]);
  });

  test("equal event times are ordered by commit and ordinal", () => {
    const given = play(
      byColumn("10s"),
      [
        [20, at("a", 1, 1), at("a", 2, 1)],
        [40, at("a", 3, 30)],
      ],
      99,
    );
    expect(given.at(-1)).toEqual(["matches a: login@1.0 purchase@1.1 out@2.0"]);
  });

  test("a row behind the watermark, or without a time, goes to the late table", () => {
    const given = play(byColumn("1s"), [
      [20, at("a", 1, 20)],
      [21, at("a", 2, 18), at("a", 2, null)],
      [22, at("a", 2, 19)],
      [23, at("a", 2, Number.POSITIVE_INFINITY)],
    ]);
    expect(given[1]).toHaveLength(2);
    expect(given[3]).toHaveLength(1);
    expect(given[1]?.[0]).toMatch(/^public\.matches_late a 2026-11-23 12:00:18\.000\+00 1\.00 2/);
    expect(given[2]).toEqual([]);
  });
});

describe("a key with more runs than it may have", () => {
  const build = (overflow: "stop" | "dropOldest" | "dropNewest"): Plan =>
    matchPlan((begin) => begin("a").where(of(1)).followedBy("b").where(of(2)), {
      maxRuns: 3,
      overflow,
      isTimedOutKept: false,
    });
  const rows = [1, 1, 1, 1, 2].map((units) => sold("a", units));

  test("stops the pipeline by default", () => {
    const limit = expect.objectContaining({ code: "PATTERN_LIMIT" }) as TidemarkError;
    expect(() => play(build("stop"), [[0, ...rows]])).toThrow(limit);
  });

  test("gives up its oldest or its newest, as told", () => {
    const starts = (lines: string[][]) => lines.flat().map((line) => /a@1\.(\d)/.exec(line)?.[1]);
    expect(starts(play(build("dropOldest"), [[0, ...rows]]))).toEqual(["1", "2", "3"]);
    expect(starts(play(build("dropNewest"), [[0, ...rows]]))).toEqual(["0", "1", "2"]);
  });
});

test("a condition sees the rows that its own partial match has taken", () => {
  const rising = matchPlan((begin) =>
    begin("first")
      .where(of(1))
      .followedBy("more")
      .where((row, { more, first }) => {
        const before = more.at(-1) ?? first[0];
        return row.amount !== null && Number(row.amount) > Number(before?.amount);
      })
      .times(2),
  );
  const amounts = ["1.00", "3.00", "2.00", "4.00"].map((amount): Sale => ["a", T0, amount, "1"]);
  const given = play(rising, [[0, ...amounts]]);
  expect(given[0]).toEqual(["matches a: first@1.0 more@1.1 more@1.3"]);
});

test("a function that throws names the step and not the row", () => {
  const plan = matchPlan((begin) =>
    begin("a").where(() => {
      throw new Error("secret");
    }),
  );
  const failure = expect.objectContaining({ code: "USER_FUNCTION" }) as TidemarkError;
  expect(() => play(plan, [[0, sold("a", 1)]])).toThrow(failure);
  expect(() => play(plan, [[0, sold("a", 1)]])).not.toThrow(/secret/);
});
