import { describe, expect, test } from "vitest";
import { compilePlan } from "../../src/pipeline/compile.js";
import { Engine, type EngineStart } from "../../src/pipeline/engine.js";
import { linesOf } from "../fixtures/operator-harness.js";
import { salesPlan } from "../fixtures/pipeline-harness.js";
import { batchesOf, messagesOf, type Sale, sale, sales, salesRelation } from "../fixtures/shop.js";

const T0 = Date.UTC(2026, 10, 23, 12);

function engineAt(
  start: Partial<EngineStart>,
  options: Parameters<typeof salesPlan>[0] = {},
): Engine {
  const { sources, outputs } = compilePlan(salesPlan(options), [sales]);
  return new Engine(sources, outputs, { cursor: 100n, replayUntil: 0n, idleMs: null, ...start });
}

/** Sends the transaction of one sale whose commit record is [begin, end). */
function apply(engine: Engine, begin: bigint, end: bigint, ...rows: Sale[]): void {
  const changes = [salesRelation, ...rows.map(sale)];
  const transaction = { commitLsn: begin, endLsn: end, commitMs: T0 + Number(end), changes };
  for (const batch of batchesOf(messagesOf(transaction))) {
    for (const slice of batch.transactions) engine.apply(batch, slice);
  }
}

const counts = (engine: Engine): string[] =>
  engine
    .collect()
    .flatMap(linesOf)
    .map((line) => line.split(" | ").slice(0, 3).join(" | "));
const row = (n: number): string => `public.stats + a | 2026-11-23 12:00:00+00 | ${n}`;

describe("a transaction", () => {
  test("that begins before the cursor is a duplicate and is left out", () => {
    const engine = engineAt({});
    apply(engine, 99n, 140n, ["a", T0]);
    expect(counts(engine)).toEqual([]);
    expect(engine.counters).toEqual({ transactions: 0, changes: 0, duplicates: 1 });
    expect([engine.cursor, engine.lastCommitMs, engine.watermarkMs]).toEqual([100n, null, null]);
  });

  test("that begins exactly at the cursor is new, one after the other", () => {
    const engine = engineAt({});
    apply(engine, 100n, 140n, ["a", T0]);
    apply(engine, 140n, 180n, ["a", T0]);
    expect(counts(engine)).toEqual([row(2)]);
    expect(engine.counters).toEqual({ transactions: 2, changes: 2, duplicates: 0 });
    expect([engine.cursor, engine.lastCommitMs]).toEqual([180n, T0 + 180]);
  });

  test("FM17: that came before is left out, whole, when the server sends it again", () => {
    const engine = engineAt({});
    apply(engine, 100n, 140n, ["a", T0]);
    apply(engine, 100n, 140n, ["a", T0]);
    apply(engine, 140n, 180n, ["a", T0]);
    expect(counts(engine)).toEqual([row(2)]);
    expect(engine.counters.duplicates).toBe(1);
  });

  test("FM7: half-way through lets nothing be collected, saved or advanced", () => {
    const engine = engineAt({});
    const changes = [salesRelation, sale(["a", T0])];
    const parts = { commitLsn: 200n, endLsn: 240n, commitMs: T0, changes };
    const [open] = batchesOf(messagesOf(parts), (i) => i === 2);
    for (const slice of open?.transactions ?? []) if (open) engine.apply(open, slice);
    expect(engine.isInTransaction).toBe(true);
    for (const act of [() => engine.collect(), () => engine.snapshot(), () => engine.advance(9n)]) {
      expect(act).toThrow("invariant broken");
    }
  });
});

describe("a replay", () => {
  test("says nothing up to the position of the results, and all that comes after", () => {
    const engine = engineAt({ replayUntil: 180n });
    apply(engine, 100n, 140n, ["a", T0]);
    expect(engine.isReplaying).toBe(true);
    expect(() => engine.collect()).toThrow("invariant broken");
    apply(engine, 140n, 180n, ["a", T0]);
    expect(engine.isReplaying).toBe(false);
    expect(counts(engine)).toEqual([]);
    apply(engine, 180n, 220n, ["a", T0]);
    expect(counts(engine)).toEqual([row(3)]);
  });

  test("FM4: ends at an idle position before a transaction that begins there or later", () => {
    for (const begin of [150n, 151n]) {
      const engine = engineAt({ replayUntil: 150n });
      apply(engine, 100n, 140n, ["a", T0]);
      expect(engine.isReplaying).toBe(true);
      apply(engine, begin, 190n, ["a", T0]);
      expect(counts(engine)).toEqual([row(2)]);
      expect(engine.cursor).toBe(190n);
    }
  });

  test("ends at a keepalive at or past an idle position, not before it", () => {
    const engine = engineAt({ replayUntil: 150n });
    apply(engine, 100n, 140n, ["a", T0]);
    engine.advance(149n);
    expect(engine.isReplaying).toBe(true);
    engine.advance(170n);
    expect([engine.isReplaying, engine.cursor]).toEqual([false, 170n]);
    expect(counts(engine)).toEqual([]);
  });

  test("repeats the idle advance where the results have it, and says so once", () => {
    const hour = T0 + 3_600_000;
    let replayed = 0;
    const onReplayed = () => {
      replayed++;
    };
    const start = { replayUntil: 150n, idleMs: hour, onReplayed };
    const engine = engineAt(start, { retain: "1m" });
    apply(engine, 100n, 140n, ["a", T0]);
    expect(engine.watermarkMs).toBe(T0);
    apply(engine, 150n, 190n, ["a", T0]);
    expect([engine.watermarkMs, replayed]).toEqual([hour, 1]);
    expect(counts(engine)).toEqual([]);
  });

  test("without anything to replay does not repeat it", () => {
    const start = { replayUntil: 100n, idleMs: T0, onReplayed: () => expect.unreachable() };
    const engine = engineAt(start);
    apply(engine, 100n, 140n, ["a", 0]);
    engine.advance(150n);
    expect(engine.watermarkMs).toBe(0);
  });
});

test("a position that moves back changes nothing", () => {
  const engine = engineAt({});
  engine.advance(300n);
  engine.advance(200n);
  expect(engine.cursor).toBe(300n);
  apply(engine, 299n, 340n, ["a", T0]);
  expect(engine.counters.duplicates).toBe(1);
});

test("state of a step that the plan no longer has is refused", () => {
  const engine = engineAt({});
  const blocks = [{ operator: "window public.gone", block: 0, bytes: new Uint8Array(1) }];
  expect(() => engine.restore(blocks)).toThrow(expect.objectContaining({ code: "STATE_MISMATCH" }));
});
