// The laws of `merge`: two states merged are one state that had the rows of both, whether rows
// leave afterwards or not, and wherever the other state lives.
import fc from "fast-check";
import { expect, test } from "vitest";
import { emptyRows, pushRow, type Rows } from "../../../src/core/rows.js";
import type { Aggregate } from "../../../src/operators/window/aggregates/aggregate.js";
import { createAggregate } from "../../../src/operators/window/aggregates/create.js";
import { insert } from "../../fixtures/pgoutput-messages.js";
import { batchesOf, catalogTable, messagesOf, relationOf } from "../../fixtures/shop.js";

const OID = 20_000;
const TYPES = [
  ["i4", 23, "integer"],
  ["i8", 20, "bigint"],
  ["num", 1700, "numeric"],
  ["f4", 700, "real"],
  ["f8", 701, "double precision"],
  ["tz", 1184, "timestamp with time zone"],
] as const;
const table = catalogTable("public.rows", TYPES);
const relation = relationOf(OID, "public.rows", TYPES);

/** Doubles whose sums are exact in any order. */
const dyadic = fc.integer({ min: -4096, max: 4096 }).map((n) => String(n / 8));
const special = fc.constantFrom("NaN", "Infinity", "-Infinity");
const cell = (arbitrary: fc.Arbitrary<string>) => fc.option(arbitrary, { nil: null, freq: 6 });
const row = fc.tuple(
  cell(fc.integer().map(String)),
  cell(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }).map(String)),
  cell(
    fc.oneof(
      { weight: 6, arbitrary: fc.constantFrom("1", "2.0", "-2.50", "0.000", "99999999999999.999") },
      { weight: 1, arbitrary: special },
    ),
  ),
  cell(fc.oneof({ weight: 8, arbitrary: dyadic }, { weight: 1, arbitrary: special })),
  cell(fc.oneof({ weight: 8, arbitrary: dyadic }, { weight: 1, arbitrary: special })),
  cell(fc.integer({ min: 1, max: 9 }).map((n) => `2026-11-23 12:00:0${n}+00`)),
);
type Row = typeof row extends fc.Arbitrary<infer T> ? T : never;
const rows = fc.array(row, { maxLength: 12 });

/** Each aggregate over each column that it takes. */
const CASES = ["count", "sum", "avg", "min", "max"].flatMap((fn) =>
  TYPES.filter(([name]) => name !== "tz" || !/sum|avg/.test(fn)).map(
    ([name]) => [fn as "count", name] as const,
  ),
);

function made(fn: "count", name: string, isRetractable: boolean): Aggregate {
  const column = table.columns.find((c) => c.name === name) ?? null;
  const aggregate = createAggregate({ fn, column, isRetractable });
  aggregate.grow(4);
  for (let slot = 0; slot < 4; slot++) aggregate.clear(slot);
  return aggregate;
}

function feed(aggregate: Aggregate, slot: number, cells: readonly Row[], weight: 1 | -1 = 1): void {
  const column = TYPES.findIndex(([name]) => name === columnOf.get(aggregate));
  if (cells.length === 0) return;
  const changes = [relation, ...cells.map((values) => insert(OID, values))];
  const parts = { commitLsn: 1n, endLsn: 2n, commitMs: 0, changes };
  for (const batch of batchesOf(messagesOf(parts))) {
    const selected: Rows = { ...emptyRows(), batch, weight };
    for (let i = 0; i < batch.length; i++) pushRow(selected, i, batch.after[i] as number);
    aggregate.add(selected, new Int32Array(selected.count).fill(slot), column);
  }
}

const columnOf = new WeakMap<Aggregate, string>();

test.each(CASES)("merged states of %s(%s) are the state of all rows", (fn, name) => {
  fc.assert(
    fc.property(rows, rows, rows, fc.boolean(), (first, second, third, isRetractable) => {
      const [one, other] = [made(fn, name, isRetractable), made(fn, name, isRetractable)];
      for (const aggregate of [one, other]) columnOf.set(aggregate, name);
      feed(one, 0, [...first, ...second, ...third]);
      feed(one, 1, first);
      feed(one, 2, second);
      feed(other, 3, third);
      one.merge(1, one, 2);
      one.merge(1, other, 3);
      expect(String(one.result(1))).toBe(String(one.result(0)));
      other.merge(1, one, 2);
      other.merge(1, other, 3);
      feed(other, 2, first);
      other.merge(2, other, 1);
      expect(String(other.result(2))).toBe(String(one.result(0)));
      const before = String(other.result(3));
      one.clear(3);
      one.merge(3, other, 3);
      expect(String(one.result(3))).toBe(before);
      if (!isRetractable) return;
      feed(one, 0, second, -1);
      feed(one, 1, second, -1);
      expect(String(one.result(1))).toBe(String(one.result(0)));
      feed(one, 1, [...third, ...first], -1);
      expect(String(one.result(1))).toBe(fn === "count" ? "0" : "null");
    }),
  );
});
