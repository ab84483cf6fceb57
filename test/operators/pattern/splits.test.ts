// Equal input gives equal matches, however it was cut into reads, and wherever it was restored.
import fc from "fast-check";
import { expect, test } from "vitest";
import { merged, OperatorHarness } from "../../fixtures/operator-harness.js";
import { commitOf, matchPlan, of } from "../../fixtures/patterns.js";
import { batchesOf, type Sale, sales } from "../../fixtures/shop.js";

const T0 = Date.UTC(2026, 10, 23, 12);

const aSale = fc
  .tuple(
    fc.constantFrom("a", "bb", "é🌊", "", null),
    fc.oneof(fc.integer({ min: -60_000, max: 300_000 }), fc.constant(null)),
    fc.constantFrom("1.00", "2.50", null),
    fc.integer({ min: 1, max: 3 }),
  )
  .map(([shop, ms, amount, units]): Sale => {
    return [shop, ms === null ? null : T0 + ms, amount, String(units)];
  });
const stream = fc
  .array(fc.tuple(fc.array(aSale, { maxLength: 8 }), fc.integer({ min: -500, max: 40_000 })), {
    minLength: 1,
    maxLength: 12,
  })
  .map((commits) => {
    let commitMs = T0;
    return commits.flatMap(([rows, waitMs], i) => {
      commitMs += waitMs;
      return commitOf(i + 1, commitMs, rows);
    });
  });

const byColumn = { source: { eventTime: "at", outOfOrder: "30s" } } as const;
const plan = fc.constantFrom(
  matchPlan((begin) => begin("a").where(of(1)).next("b").where(of(2)).within("20s")),
  matchPlan((begin) =>
    begin("a")
      .where(of(1))
      .followedByAny("b")
      .where((row, { a }) => row.units === 2 && row.amount !== a[0]?.amount)
      .oneOrMore()
      .followedBy("c")
      .where(of(3))
      .within("60s")
      .afterMatch("pastLast"),
  ),
  matchPlan((begin) => begin("a").where(of(1)).notFollowedBy("b").where(of(2)).within("30s")),
  matchPlan(
    (begin) => begin("a").where(of(1)).followedBy("b").where(of(2)).gap("25s").within("60s"),
    byColumn,
  ),
  matchPlan(
    (begin) => begin("a").where(of(1)).notFollowedBy("b").where(of(2)).within("30s"),
    byColumn,
  ),
);

test("a stream cut anywhere gives the same matches and the same state blocks", () => {
  fc.assert(
    fc.property(plan, stream, fc.infiniteStream(fc.boolean()), (chosen, messages, cut) => {
      const run = (isCut: (i: number) => boolean) =>
        new OperatorHarness(chosen, [sales]).run(batchesOf(messages, isCut));
      const whole = run(() => false);
      expect(run(() => true)).toEqual(whole);
      const bits = [...cut.take(messages.length)];
      expect(run((i) => bits[i] === true)).toEqual(whole);
    }),
    { numRuns: 100 },
  );
});

test("a run restored at any commit goes on with the same matches, the clock's included", () => {
  let matches = 0;
  fc.assert(
    fc.property(plan, stream, (chosen, messages) => {
      const harness = new OperatorHarness(chosen, [sales]);
      const whole = harness.run(batchesOf(messages));
      const text = whole.map(({ changelog }) => changelog);
      harness.engine.onIdle(T0 + 900_000);
      const end = harness.record().changelog;
      matches += text.flat().length + end.length;
      whole.forEach((record, index) => {
        const restored = new OperatorHarness(chosen, [sales], { cursor: record.lsn });
        restored.engine.restore(merged(whole.slice(0, index + 1)));
        const again = restored.run(batchesOf(messages)).map(({ changelog }) => changelog);
        expect(again.slice(0, index + 1).flat(), `said again after ${index}`).toEqual([]);
        expect(again.slice(index + 1), `restored at ${index}`).toEqual(text.slice(index + 1));
        restored.engine.onIdle(T0 + 900_000);
        expect(restored.record().changelog, `the clock after ${index}`).toEqual(end);
      });
    }),
    { numRuns: 80 },
  );
  expect(matches).toBeGreaterThan(200);
});
