import fc from "fast-check";
import { expect, test } from "vitest";
import type { StateSnapshot } from "../../src/core/operator.js";
import { hopping, session, sliding, tumbling } from "../../src/pipeline/window-specs.js";
import { type CommitRecord, merged, OperatorHarness } from "../fixtures/operator-harness.js";
import { salesPlan } from "../fixtures/pipeline-harness.js";
import { batchesOf, messagesOf, type Sale, sale, sales, salesRelation } from "../fixtures/shop.js";

const T0 = Date.UTC(2026, 10, 23, 12);

const amount = fc.oneof(
  fc.constant(null),
  fc.constantFrom("NaN", "Infinity", "-Infinity", "0", "0.000", "-0.5"),
  fc.bigInt({ min: -(2n ** 70n), max: 2n ** 70n }).map((value) => `${value}.25`),
  fc.integer({ min: -9999, max: 9999 }).map((value) => `${value}.10`),
);
const eventMs = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 0, max: 900_000 }).map((ms) => T0 + ms) },
  { weight: 1, arbitrary: fc.constantFrom(null, Infinity, -Infinity, T0 - 86_400_000) },
);
const shop = fc.constantFrom("a", "bb", "", "é🌊", "\ufeffa", null);
const units = fc.oneof(fc.constant(null), fc.integer({ min: -5, max: 5 }).map(String));
const aSale = fc.tuple(shop, eventMs, amount, units) as fc.Arbitrary<Sale>;

/** A stream as messages: transactions of sales, commit by commit, some of them adjacent. */
const stream = fc
  .array(fc.tuple(fc.array(aSale, { maxLength: 9 }), fc.nat(400_000), fc.boolean()), {
    minLength: 1,
    maxLength: 12,
  })
  .map((transactions) => {
    let lsn = 1000n;
    let commitMs = T0;
    return transactions.flatMap(([rows, waitMs, isAdjacent], index) => {
      const commitLsn = isAdjacent ? lsn : lsn + 50n;
      lsn = commitLsn + 34n;
      commitMs += waitMs;
      const relation = index % 3 === 0 ? [salesRelation] : [];
      const changes = [...relation, ...rows.map(sale)];
      return messagesOf({ commitLsn, endLsn: lsn, commitMs, changes });
    });
  });

const plans = [
  salesPlan(),
  salesPlan({ retain: "2m", outOfOrder: "30s" }),
  salesPlan({ retain: "0s" }),
  salesPlan({ window: hopping({ size: "2m", slide: "30s" }), emission: { lateness: "1m" } }),
  salesPlan({ window: hopping({ size: "4m", slide: "10s" }), emission: { emit: "close" } }),
  salesPlan({ window: tumbling("1m"), emission: { emit: { every: "40s" } } }),
  salesPlan({ window: session({ gap: "20s", end: "end" }), outOfOrder: "30s" }),
  salesPlan({ window: session({ gap: "9s" }), emission: { emit: "close" } }),
  salesPlan({ window: sliding({ range: "1m" }), emission: { emit: "close", lateness: "20s" } }),
];
const plan = fc.constantFrom(...plans);
const cuts = fc.infiniteStream(fc.boolean());
/** Pieces of a checkpoint's work after each slice: mostly none, so that rows change before it. */
const piecesAtATime = fc.infiniteStream(fc.constantFrom(0, 0, 0, 1, 200));

/** Comparing texts is much faster than comparing arrays of bytes. */
function withTexts({ blocks, ...record }: CommitRecord) {
  const texts = blocks.map(({ operator, block, bytes }) => {
    return `${operator} ${block} ${Buffer.from(bytes).toString("base64")}`;
  });
  return { ...record, blocks: texts };
}

test("a stream cut anywhere gives the same changelog, watermarks and state blocks", () => {
  fc.assert(
    fc.property(plan, stream, cuts, (chosen, messages, cut) => {
      const run = (isCut: (i: number) => boolean) =>
        new OperatorHarness(chosen, [sales]).run(batchesOf(messages, isCut)).map(withTexts);
      const whole = run(() => false);
      expect(run(() => true)).toEqual(whole);
      const bits = [...cut.take(messages.length)];
      expect(run((i) => bits[i] === true)).toEqual(whole);
    }),
    { numRuns: 300 },
  );
});

test("a run restored at any commit goes on with the same changelog", () => {
  fc.assert(
    fc.property(plan, stream, (chosen, messages) => {
      const whole = new OperatorHarness(chosen, [sales]).run(batchesOf(messages));
      const text = whole.map(({ lsn, watermarkMs, changelog }) => [lsn, watermarkMs, changelog]);
      whole.forEach((record, index) => {
        const restored = new OperatorHarness(chosen, [sales], { cursor: record.lsn });
        restored.engine.restore(merged(whole.slice(0, index + 1)));
        const records = restored.run(batchesOf(messages));
        const again = records.slice(0, index + 1).flatMap(({ changelog }) => changelog);
        expect(again, `said again after commit ${index}`).toEqual([]);
        const further = records.slice(index + 1);
        expect(
          further.map(({ lsn, watermarkMs, changelog }) => [lsn, watermarkMs, changelog]),
          `restored at commit ${index}`,
        ).toEqual(text.slice(index + 1));
      });
    }),
    { numRuns: 200 },
  );
});

test("a checkpoint that is written while later commits run restores as of its own commit", () => {
  fc.assert(
    fc.property(plan, stream, piecesAtATime, (chosen, messages, pieces) => {
      const whole = new OperatorHarness(chosen, [sales]).run(batchesOf(messages));
      const harness = new OperatorHarness(chosen, [sales]);
      const saved: CommitRecord[] = [];
      let under: { lsn: bigint; snapshot: StateSnapshot } | null = null;
      for (const batch of batchesOf(messages, () => true)) {
        for (const slice of batch.transactions) {
          harness.engine.apply(batch, slice);
          if (slice.commitEndLsn !== null) {
            harness.engine.collect();
            under ??= { lsn: slice.commitEndLsn, snapshot: harness.engine.snapshot() };
          }
          const work = pieces.next().value ?? 0;
          for (let piece = 0; under !== null && piece < work; piece++) {
            if (under.snapshot.advance()) continue;
            const { lsn, snapshot } = under;
            saved.push({ lsn, watermarkMs: null, changelog: [], blocks: snapshot.blocks });
            under = null;
          }
        }
      }
      saved.forEach(({ lsn }, index) => {
        const restored = new OperatorHarness(chosen, [sales], { cursor: lsn });
        restored.engine.restore(merged(saved.slice(0, index + 1)));
        const after = restored.run(batchesOf(messages)).filter((record) => record.lsn > lsn);
        expect(after.map(({ changelog }) => changelog)).toEqual(
          whole.filter((record) => record.lsn > lsn).map(({ changelog }) => changelog),
        );
      });
    }),
    { numRuns: 200 },
  );
});
