// The laws of `merge`: two states merged are one state that had the rows of both, whether rows
// leave afterwards or not, and wherever the other state lives.
import fc from "fast-check";
import { expect, test } from "vitest";
import { emptyRows, pushRow, type Rows } from "../../../src/core/rows.js";
import type { Aggregate } from "../../../src/operators/window/aggregates/aggregate.js";
import {
  type AggregateWish,
  createAggregate,
} from "../../../src/operators/window/aggregates/create.js";
import { BlockReader, BlockWriter } from "../../../src/state/block.js";
import { schemaOf } from "../../../src/state/state-schema.js";
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
  ["word", 25, "text"],
  ["flag", 16, "boolean"],
] as const;
type Name = (typeof TYPES)[number][0];
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
  cell(fc.constantFrom("", "a", "é🌊", '"')),
  cell(fc.constantFrom("t", "f")),
);
type Row = typeof row extends fc.Arbitrary<infer T> ? T : never;
const rows = fc.array(row, { maxLength: 12 });

interface Case {
  readonly fn: AggregateWish["fn"];
  readonly names: readonly Name[];
  /** Whether rows may leave again; both where it is not said. */
  readonly isRetractable?: boolean;
}

const NUMBERS: readonly Name[] = ["i4", "i8", "num", "f4", "f8"];
const each = (fns: readonly AggregateWish["fn"][], names: readonly Name[], by?: Name): Case[] =>
  fns.flatMap((fn) => names.map((name) => ({ fn, names: by === undefined ? [name] : [name, by] })));
const CASES: Case[] = [
  ...each(["count", "count_distinct"], ["num", "f8", "tz", "word", "flag"]),
  ...each(["sum", "avg", "approx_percentile", "percentile_cont"], NUMBERS),
  ...each(["min", "max", "percentile_disc", "top"], [...NUMBERS, "tz"]),
  ...each(["var_pop", "stddev_samp"], ["i4", "i8", "num"]),
  ...each(["var_samp"], ["f4", "f8"]).map((of) => ({ ...of, isRetractable: true })),
  ...each(["bool_and", "bool_or"], ["flag"]),
  ...each(["first", "last", "arg_min", "arg_max", "top", "array_agg"], ["word", "num"], "tz"),
  ...each(["string_agg"], ["word"], "tz"),
  ...each(["jsonb_agg"], ["flag"], "i4"),
  { fn: "approx_count_distinct", names: ["word"], isRetractable: false },
];

function made({ fn, names }: Case, isRetractable: boolean): Aggregate {
  const [column = null, by] = names.map((name) => table.columns.find((c) => c.name === name));
  const order = by === undefined ? {} : { by };
  const wish = { fn, column, isRetractable, fraction: 0.4, limit: 2, separator: ",", ...order };
  const aggregate = createAggregate(wish);
  aggregate.grow(4);
  for (let slot = 0; slot < 4; slot++) aggregate.clear(slot);
  return aggregate;
}

/** The number of the next transaction: rows of the log come one after another. */
let next = 1n;

function batchOf(cells: readonly Row[]) {
  const changes = [relation, ...cells.map((values) => insert(OID, values))];
  const [batch] = batchesOf(messagesOf({ commitLsn: next++, endLsn: next, commitMs: 0, changes }));
  return batch;
}

/** The same rows of the log, whichever state they go to. */
function selectionOf(cells: readonly Row[], weight: 1 | -1 = 1): Rows {
  const batch = batchOf(cells);
  if (batch === undefined) throw new Error("a transaction makes a batch");
  const [slice] = batch.transactions;
  if (slice === undefined) throw new Error("a batch has its transaction");
  const selected: Rows = { ...emptyRows(), batch, slice, weight };
  for (let i = 0; i < batch.length; i++) pushRow(selected, i, batch.after[i] as number);
  return selected;
}

function saved(aggregate: Aggregate, slot: number): BlockReader {
  const out = new BlockWriter(schemaOf({}));
  aggregate.save(slot, out);
  return new BlockReader(out.finish(), "test");
}

test.each(CASES.map((of) => [`${of.fn}(${of.names.join(", ")})`, of] as const))(
  "merged and saved states of %s are the state of all rows",
  (_, of) => {
    const columns = of.names.map((name) => TYPES.findIndex(([other]) => other === name));
    const feed = (aggregate: Aggregate, slot: number, selections: readonly Rows[]): void => {
      for (const selected of selections) {
        aggregate.add(selected, new Int32Array(selected.count).fill(slot), columns);
      }
    };
    const modes = fc.constantFrom(
      ...(of.isRetractable === undefined ? [true, false] : [of.isRetractable]),
    );
    fc.assert(
      fc.property(rows, rows, rows, modes, (a, b, c, isRetractable) => {
        const [one, other] = [made(of, isRetractable), made(of, isRetractable)];
        const all = [a, b, c].map((cells) => selectionOf(cells));
        const [first, second, third] = all as [Rows, Rows, Rows];
        feed(one, 0, all);
        const expected = String(one.result(0));
        feed(one, 1, [first]);
        feed(one, 2, [second]);
        feed(other, 3, [third]);
        one.merge(1, one, 2);
        one.merge(1, other, 3);
        expect(String(one.result(1))).toBe(expected);
        other.merge(1, one, 2);
        other.merge(1, other, 3);
        feed(other, 2, [first]);
        other.merge(2, other, 1);
        expect(String(other.result(2))).toBe(expected);
        const before = String(other.result(3));
        one.clear(3);
        one.merge(3, other, 3);
        expect(String(one.result(3))).toBe(before);
        one.clear(2);
        const block = saved(one, 1);
        one.load(2, block);
        expect(block.isAtEnd).toBe(true);
        expect(String(one.result(2))).toBe(expected);
        if (!isRetractable) return;
        feed(one, 0, [selectionOf(b, -1)]);
        feed(one, 2, [selectionOf(b, -1)]);
        expect(String(one.result(2))).toBe(String(one.result(0)));
        feed(one, 2, [selectionOf(c, -1), selectionOf(a, -1)]);
        expect(String(one.result(2))).toBe(/count/.test(of.fn) ? "0" : "null");
      }),
      { numRuns: 40 },
    );
  },
);
