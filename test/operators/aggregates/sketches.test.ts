import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { codecOf } from "../../../decoders/types/codecs.js";
import { emptyRows, pushRow, type Rows } from "../../../src/core/rows.js";
import type { Aggregate } from "../../../src/operators/window/aggregates/aggregate.js";
import { DistinctSketch } from "../../../src/operators/window/aggregates/distinct-sketch.js";
import { hash32 } from "../../../src/operators/window/aggregates/hash32.js";
import { QuantileSketch } from "../../../src/operators/window/aggregates/quantile-sketch.js";
import { SortedBag } from "../../../src/operators/window/aggregates/sorted-bag.js";
import { insert } from "../../fixtures/pgoutput-messages.js";
import { batchesOf, messagesOf, relationOf } from "../../fixtures/shop.js";

const OID = 20_000;

/** Rows of one column. */
function rowsOf(values: readonly string[], weight: 1 | -1 = 1): Rows {
  const relation = relationOf(OID, "public.rows", [["v", 25, "text"]]);
  const changes = [relation, ...values.map((value) => insert(OID, [value]))];
  const [batch] = batchesOf(messagesOf({ commitLsn: 1n, endLsn: 2n, commitMs: 0, changes }));
  if (batch === undefined) throw new Error("a transaction makes a batch");
  const rows: Rows = { ...emptyRows(), batch, weight };
  for (let i = 0; i < batch.length; i++) pushRow(rows, i, batch.after[i] as number);
  return rows;
}

function feed(aggregate: Aggregate, values: readonly string[], weight: 1 | -1 = 1): void {
  const rows = rowsOf(values, weight);
  aggregate.add(rows, new Int32Array(rows.count), [0]);
}

describe("an approximate percentile", () => {
  const finite = fc.oneof(
    fc.double({ noNaN: true, noDefaultInfinity: true }),
    fc.integer({ min: -20, max: 20 }),
  );

  test("is within its accuracy of the value at that rank", () => {
    const some = fc.array(finite, { minLength: 1, maxLength: 200 });
    const fraction = fc.double({ min: 0, max: 1, noNaN: true });
    fc.assert(
      fc.property(some, fraction, fc.constantFrom(0.001, 0.01, 0.2), (values, share, accuracy) => {
        const sketch = new QuantileSketch(codecOf(701), { fraction: share, accuracy });
        feed(sketch, values.map(String));
        const sorted = values.toSorted((a, b) => a - b);
        const exact = sorted[Math.floor(share * (values.length - 1))] as number;
        const error = Math.abs((sketch.result(0) as number) - exact);
        expect(error).toBeLessThanOrEqual(Math.abs(exact) * accuracy * 1.000_001 + 2.3e-308);
      }),
    );
  });

  test("forgets exactly what leaves, and knows infinities and NaN", () => {
    const sketch = new QuantileSketch(codecOf(701), { fraction: 1, accuracy: 0.01 });
    feed(sketch, ["1", "100", "Infinity", "NaN"]);
    expect(sketch.result(0)).toBeNaN();
    feed(sketch, ["NaN"], -1);
    expect(sketch.result(0)).toBe(Number.POSITIVE_INFINITY);
    feed(sketch, ["Infinity", "100"], -1);
    expect(sketch.result(0)).toBeCloseTo(1, 1);
    feed(sketch, ["1"], -1);
    expect(sketch.result(0)).toBeNull();
    expect(sketch.heldBytes).toBe(0);
    expect(() => feed(sketch, ["5"], -1)).toThrow(expect.objectContaining({ code: "UNKNOWN_ROW" }));
  });
});

describe("an approximate count of different values", () => {
  test.each([1, 10, 100, 1000, 20_000])("is within five standard errors of %i", (count) => {
    const sketch = new DistinctSketch(codecOf(25));
    const values = Array.from({ length: count }, (_, i) => `user ${i}`);
    feed(sketch, values);
    const before = sketch.result(0);
    feed(sketch, values.slice(0, 500));
    expect(sketch.result(0)).toBe(before);
    expect(Math.abs(before - count)).toBeLessThanOrEqual(Math.max(1, count * 5 * 0.01625));
  });

  test("hashes as MurmurHash3 does", () => {
    const bytes = new TextEncoder().encode("The quick brown fox jumps over the lazy dog");
    expect(hash32(bytes, 0)).toBe(0x2e4ff723);
    expect(hash32(new Uint8Array(0), 1)).toBe(0x514e28b7);
  });
});

test("a sorted bag is a sorted list", () => {
  const change = fc.tuple(fc.integer({ min: 0, max: 2000 }), fc.boolean());
  fc.assert(
    fc.property(fc.array(change, { maxLength: 3000, size: "max" }), (changes) => {
      const bag = new SortedBag<number>((a, b) => a - b);
      const list: number[] = [];
      for (const [value, isRemoval] of changes) {
        const at = list.indexOf(value);
        if (isRemoval) {
          expect(bag.remove(value)).toBe(at >= 0);
          if (at >= 0) list.splice(at, 1);
        } else {
          bag.add(value, 1);
          list.push(value);
        }
      }
      list.sort((a, b) => a - b);
      expect([...bag]).toEqual(list);
      expect(bag.size).toBe(new Set(list).size);
      for (const rank of [0, list.length >> 1, list.length - 1, list.length]) {
        expect(bag.at(rank)).toBe(list[rank]);
      }
    }),
    { numRuns: 15 },
  );
});
