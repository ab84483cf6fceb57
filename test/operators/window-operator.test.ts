import { describe, expect, test } from "vitest";
import { merged, OperatorHarness } from "../fixtures/operator-harness.js";
import { insert, truncate, update } from "../fixtures/pgoutput-messages.js";
import { salesPlan } from "../fixtures/pipeline-harness.js";
import {
  batchesOf,
  catalogTable,
  messagesOf,
  relationOf,
  SALE_COLUMNS,
  SALES_OID,
  type Sale,
  sale,
  sales,
  salesRelation,
} from "../fixtures/shop.js";

const T0 = Date.UTC(2026, 10, 23, 12);
const MINUTE = 60_000;
const EARLY = T0 - 3 * MINUTE;
type Options = Parameters<typeof salesPlan>[0];

/** Runs transactions, each [commit time, ...rows], and returns what each said. */
class Shop {
  readonly harness: OperatorHarness;
  lsn = 1000n;

  constructor(options: Options = {}) {
    this.harness = new OperatorHarness(salesPlan(options), [sales]);
  }

  commit(commitMs: number, ...rows: Sale[]): readonly string[] {
    return this.raw(commitMs, [salesRelation, ...rows.map(sale)]);
  }

  raw(commitMs: number, changes: readonly Buffer[]): readonly string[] {
    const commitLsn = this.lsn;
    this.lsn += 100n;
    const messages = messagesOf({ commitLsn, endLsn: this.lsn, commitMs, changes });
    return this.harness.run(batchesOf(messages)).flatMap(({ changelog }) => changelog);
  }

  get expired(): number {
    const [window] = this.harness.compiled.outputs;
    return (window as unknown as { expiredRows: number }).expiredRows;
  }

  get watermarkMs(): number | null {
    return this.harness.engine.watermarkMs;
  }
}

const count = (lines: readonly string[]): string[] =>
  lines.map((line) => line.split(" | ").slice(0, 4).join(" | "));

describe("the watermark", () => {
  test("follows the newest event time, less the bound, at commits", () => {
    const shop = new Shop({ outOfOrder: "10s" });
    shop.commit(T0, ["a", EARLY]);
    expect(shop.watermarkMs).toBe(EARLY - 10_000);
    shop.commit(T0, ["a", EARLY + 20_000], ["a", EARLY - 20_000]);
    expect(shop.watermarkMs).toBe(EARLY + 10_000);
  });

  test("does not pass the commit for a row ahead of it, and never goes back", () => {
    const shop = new Shop();
    shop.commit(T0, ["a", T0 + 3_600_000], ["a", Infinity]);
    expect(shop.watermarkMs).toBe(T0);
    shop.commit(T0 - 5000, ["a", EARLY]);
    expect(shop.watermarkMs).toBe(T0);
  });

  test("stays where it is for rows without an event time", () => {
    const shop = new Shop();
    shop.commit(T0, ["a", null], ["a", -Infinity]);
    expect(shop.watermarkMs).toBeNull();
  });
});

describe("retain", () => {
  test("removes a window exactly when its end is that far behind the watermark", () => {
    const shop = new Shop({ retain: "1m" });
    shop.commit(T0 + 9 * MINUTE, ["a", T0]);
    const before = shop.commit(T0 + 9 * MINUTE, ["b", T0 + 2 * MINUTE - 1]);
    expect(before.join()).not.toContain(`before ${T0 + MINUTE}`);
    const at = shop.commit(T0 + 9 * MINUTE, ["b", T0 + 2 * MINUTE]);
    expect(at[0]).toBe(`public.stats - before ${T0 + MINUTE}`);
    expect(shop.commit(T0 + 9 * MINUTE, ["b", T0 + 2 * MINUTE]).join()).not.toContain("before");
    expect(shop.harness.engine.stateBytes).toBeGreaterThan(0);
  });

  test("counts a late row that it still holds, and only counts one that it does not", () => {
    const shop = new Shop({ retain: "1m" });
    shop.commit(T0 + 9 * MINUTE, ["a", T0], ["a", T0 + 2 * MINUTE - 1]);
    expect(count(shop.commit(T0 + 9 * MINUTE, ["a", T0 + 1]))).toEqual([
      "public.stats + a | 2026-11-23 12:00:00+00 | 2 | 2.00",
    ]);
    shop.commit(T0 + 9 * MINUTE, ["a", T0 + 2 * MINUTE]);
    expect(shop.commit(T0 + 9 * MINUTE, ["a", T0 + 2])).toEqual([]);
    expect(shop.expired).toBe(1);
  });

  test("made longer does not begin windows anew whose rows are forgotten", () => {
    const short = new Shop({ retain: "1m" });
    short.commit(T0 + 9 * MINUTE, ["a", T0]);
    const parts = { commitLsn: 5000n, endLsn: 5100n, commitMs: T0 + 9 * MINUTE };
    const changes = [salesRelation, sale(["a", T0]), sale(["a", T0 + 5 * MINUTE])];
    const records = short.harness.run(batchesOf(messagesOf({ ...parts, changes })));
    const long = new Shop({ retain: "1h" });
    long.harness.engine.restore(merged(records));
    expect(long.commit(T0 + 9 * MINUTE, ["a", T0 + 1])).toEqual([]);
    expect(long.expired).toBe(1);
  });
});

describe("a change that is no insert", () => {
  const cells = ["a", "2026-11-23 12:00:00+00", "1", "1"];

  test.each([
    ["update", update(SALES_OID, cells)],
    ["truncate", truncate([SALES_OID])],
  ])("%s of an append-only table is refused", (_, change) => {
    const shop = new Shop();
    expect(() => shop.raw(T0, [salesRelation, change])).toThrow(
      expect.objectContaining({ code: "APPEND_ONLY" }),
    );
  });

  test("of another table is none of its business", () => {
    const shop = new Shop();
    const other = relationOf(1, "public.other", [["id", 23, "integer"]]);
    expect(shop.raw(T0, [other, truncate([1])])).toEqual([]);
  });
});

describe("a new version of the relation", () => {
  const row = ["a", "2026-11-23 12:00:00+00", "1", "1"];

  test("in mid-batch moves the columns and joins the same groups", () => {
    const moved = [["more", 25, "text"] as const, ...[...SALE_COLUMNS].reverse()];
    const changes = [
      ...[salesRelation, insert(SALES_OID, row)],
      ...[
        relationOf(SALES_OID, "public.sales", moved),
        insert(SALES_OID, ["x", "1", "1", row[1] ?? "", "a"]),
      ],
    ];
    expect(count(new Shop().raw(T0, changes))).toEqual([
      "public.stats + a | 2026-11-23 12:00:00+00 | 2 | 2",
    ]);
  });

  test.each([
    ["is gone", SALE_COLUMNS.filter(([name]) => name !== "amount")],
    [
      "has another type",
      SALE_COLUMNS.map((c) => (c[0] === "amount" ? (["amount", 25, "text"] as const) : c)),
    ],
  ])("in which a used column %s is refused", (_, columns) => {
    const changes = [
      ...[salesRelation, insert(SALES_OID, row)],
      ...[
        relationOf(SALES_OID, "public.sales", columns),
        insert(SALES_OID, row.slice(0, columns.length)),
      ],
    ];
    expect(() => new Shop().raw(T0, changes)).toThrow(
      expect.objectContaining({ code: "SOURCE_SCHEMA_CHANGED" }),
    );
  });
});

test("more than 512 rows of one transaction are one selection after the other", () => {
  const rows = Array.from({ length: 3000 }, (_, i): Sale => ["a", T0 + i, "0.01"]);
  expect(count(new Shop().commit(T0 + MINUTE, ...rows))).toEqual([
    "public.stats + a | 2026-11-23 12:00:00+00 | 3000 | 30.00",
  ]);
});

test("sums stay exact past 2^53 and past 2^63", () => {
  const big = ["9007199254740993", "9223372036854775807", "9223372036854775807", "0.01"];
  const rows = big.map((amount): Sale => ["a", T0, amount]);
  const [line] = new Shop().commit(T0, ...rows);
  expect(line?.split(" | ")[3]).toBe("18455751272964292607.01");
});

test("keys that would read the same run together in no way", () => {
  const columns = [...SALE_COLUMNS, ["second", 25, "text"] as const];
  const plan = salesPlan();
  const nodes = plan.nodes.map((node) =>
    node.op === "window" ? { ...node, keys: ["shop", "second"] } : node,
  );
  const table = catalogTable("public.sales", columns);
  const harness = new OperatorHarness({ ...plan, nodes }, [table]);
  const keys = [
    ["a", "bc"],
    ["ab", "c"],
    ["", "abc"],
    [null, "abc"],
    ["abc", null],
    ["abc", ""],
  ];
  const changes = keys.map(([a = "", b = ""]) =>
    insert(SALES_OID, [a, "2026-11-23 12:00:00+00", "1", "1", b]),
  );
  const relation = relationOf(SALES_OID, "public.sales", columns);
  const parts = { commitLsn: 1n, endLsn: 2n, commitMs: T0, changes: [relation, ...changes] };
  const [record] = harness.run(batchesOf(messagesOf(parts)));
  expect(record?.changelog).toHaveLength(keys.length);
});

test("state of other aggregates is refused", () => {
  const shop = new Shop();
  const parts = {
    commitLsn: 1n,
    endLsn: 2n,
    commitMs: T0,
    changes: [salesRelation, sale(["a", T0])],
  };
  const blocks = merged(shop.harness.run(batchesOf(messagesOf(parts))));
  const plan = salesPlan();
  const nodes = plan.nodes.map((node) =>
    node.op === "window" ? { ...node, aggregates: node.aggregates.slice(1) } : node,
  );
  const { engine } = new OperatorHarness({ ...plan, nodes }, [sales]);
  expect(() => engine.restore(blocks)).toThrow(expect.objectContaining({ code: "STATE_MISMATCH" }));
});
