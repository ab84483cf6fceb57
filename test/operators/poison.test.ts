import { describe, expect, test } from "vitest";
import type { OutputBatch } from "../../src/core/output.js";
import { unpackCells } from "../../src/core/packed-cells.js";
import type { Row } from "../../src/core/row.js";
import { DeadLetters } from "../../src/operators/poison/dead-letters.js";
import { count, sum } from "../../src/pipeline/aggregate-specs.js";
import { type PoisonOptions, pipeline, postgres, type Table } from "../../src/pipeline/builder.js";
import { slot } from "../../src/pipeline/specs.js";
import { tumbling } from "../../src/pipeline/window-specs.js";
import { linesOf, OperatorHarness } from "../fixtures/operator-harness.js";
import * as m from "../fixtures/pgoutput-messages.js";
import { batchesOf, messagesOf, SALES_OID, sales, salesRelation } from "../fixtures/shop.js";

const T0 = Date.UTC(2026, 10, 23, 12);
const AT = "2026-11-23 12:00:00+00";

/** A sale of which shop, amount and units are given as texts. */
const sold = (shop: string, amount = "1.00", units = "1"): Buffer =>
  m.insert(SALES_OID, [shop, AT, amount, units]);

/** Counts sales a minute behind a filter that throws for the shop `bad`. */
function countingOf(onPoison: "stop" | "dead-letter" | PoisonOptions) {
  const { plan } = pipeline("shop", { source: slot() }, (from) => {
    const options = { appendOnly: true, eventTime: "at", onPoison } as const;
    const rows = from("public.sales" as never, options as never);
    rows
      .filter((row) => {
        if ((row as Row & { shop: string }).shop === "bad") throw new Error("secret");
        return true;
      })
      .groupBy()
      .window(tumbling("1 minute", "minute"))
      .aggregate({ n: count(), total: sum("amount" as never) })
      .into(postgres.view("stats"));
  });
  const harness = new OperatorHarness(plan, [sales]);
  let commitLsn = 256n;
  const send = (changes: readonly Buffer[], isCut?: (i: number) => boolean): void => {
    const all = [salesRelation, ...changes];
    const transaction = { commitLsn, endLsn: commitLsn + 16n, commitMs: T0, changes: all };
    commitLsn += 16n;
    for (const batch of batchesOf(messagesOf(transaction), isCut)) {
      for (const slice of batch.transactions) harness.engine.apply(batch, slice);
    }
  };
  const collect = () => {
    const batches = harness.engine.collect();
    const counted = batches.filter(({ kind }) => kind === "view").flatMap(linesOf);
    return { counted, letters: batches.flatMap(lettersOf) };
  };
  return { harness, send, collect };
}

/** Dead letters as step, code and shop. */
function lettersOf(batch: OutputBatch): string[] {
  if (batch.kind !== "append") return [];
  const column = (i: number) => unpackCells(batch.cells[i] as Uint8Array);
  const [lsns, ordinals, steps, codes, rows] = [1, 2, 3, 7, 9].map(column);
  return Array.from({ length: batch.rowCount }, (_, i) => {
    const { shop } = JSON.parse(rows?.[i] ?? "");
    return [lsns?.[i], ordinals?.[i], steps?.[i], codes?.[i] ?? "held", shop].join(" | ");
  });
}

const counted = (n: number, total: string) => [`public.stats + ${AT} | ${n} | ${total}`];

describe("a row that cannot be processed", () => {
  test("stops the pipeline unless something else is said", () => {
    const { send } = countingOf("stop");
    expect(() => send([sold("a"), sold("bad")])).toThrow(
      expect.objectContaining({ code: "USER_FUNCTION" }),
    );
  });

  test("becomes a dead letter with its position, and counts nowhere", () => {
    const { send, collect } = countingOf("dead-letter");
    send([sold("a"), sold("bad"), sold("b", "no number"), sold("c")]);
    expect(collect()).toEqual({
      counted: counted(2, "2.00"),
      letters: [
        "0/100 | 2 | from public.sales | BAD_VALUE | b",
        "0/100 | 1 | from public.sales filter | USER_FUNCTION | bad",
      ],
    });
    send([sold("d")]);
    expect(collect()).toEqual({ counted: counted(3, "3.00"), letters: [] });
  });

  test("shows no masked column, and never the message of the error", () => {
    const { harness, send } = countingOf({ mask: ["shop"] });
    send([sold("bad", "5.00")]);
    const [letter] = harness.engine.collect();
    const text = letter?.kind === "append" ? letter.cells.flatMap(unpackCells).join() : "";
    expect(text).toContain('"shop":"***"');
    expect(text).toContain('"amount":"5.00"');
    expect(text).not.toMatch(/bad"|secret/);
  });

  test("holds back later rows of its key, in order, however the stream is cut", () => {
    const changes = [
      sold("a", "1.00", "7"),
      sold("bad", "1.00", "7"),
      sold("b", "1.00", "7"),
      sold("c", "1.00", "8"),
      sold("d", "1.00", "7"),
    ];
    for (const isCut of [() => false, () => true, (i: number) => i % 2 === 0]) {
      const { send, collect } = countingOf({ blockBy: ["units"] });
      send(changes, isCut);
      expect(collect()).toEqual({
        counted: counted(2, "2.00"),
        letters: [
          "0/100 | 1 | from public.sales filter | USER_FUNCTION | bad",
          "0/100 | 2 | from public.sales | held | b",
          "0/100 | 4 | from public.sales | held | d",
        ],
      });
    }
  });

  test("blocks its key over a restart, until the keys are released", () => {
    const first = countingOf({ blockBy: ["units"] });
    first.send([sold("bad", "1.00", "7")]);
    const { blocks } = first.harness.record();
    const second = countingOf({ blockBy: ["units"] });
    second.harness.engine.restore(blocks);
    expect(second.harness.compiled.letters.blocked.size).toBe(1);
    second.send([sold("a", "1.00", "7"), sold("b", "1.00", "8")]);
    expect(second.collect()).toEqual({
      counted: counted(1, "1.00"),
      letters: ["0/100 | 0 | from public.sales | held | a"],
    });
    expect(second.harness.compiled.letters.blocked.release()).toBe(1);
    second.send([sold("a", "1.00", "7")]);
    expect(second.collect()).toEqual({ counted: counted(2, "2.00"), letters: [] });
    const third = countingOf({ blockBy: ["units"] });
    third.harness.engine.restore(second.harness.record().blocks);
    expect(third.harness.compiled.letters.blocked.size).toBe(0);
  });

  test("stops the pipeline after so many that it is no row's fault", () => {
    const letters = new DeadLetters("p");
    const letter = { commitLsn: 1n, step: "s", committedAt: AT, table: "t", op: "insert" };
    const add = (ordinal: number) =>
      letters.add({ ...letter, ordinal, code: "BAD_VALUE", reason: "r", row: "{}" });
    for (let i = 0; i < 10_000; i++) add(i);
    expect(() => add(10_000)).toThrow(expect.objectContaining({ code: "POISON_LIMIT" }));
  });
});

test.each([
  ["an unknown column to mask", { mask: ["nothing"] }],
  ["an unknown column to block by", { blockBy: ["nothing"] }],
  ["no column to block by", { blockBy: [] }],
  ["another word", "ignore"],
])("%s is refused", (_, onPoison) => {
  expect(() => countingOf(onPoison as never)).toThrow(
    expect.objectContaining({ code: "PLAN_INVALID" }),
  );
});

test("putting rows aside is refused where rows can leave again", () => {
  const build = () =>
    pipeline("shop", { source: slot() }, (from) => {
      const changes = from("public.sales" as never, { onPoison: "dead-letter" } as never);
      (changes as unknown as Table<Row>).changes().into(postgres.append("copy"));
    });
  expect(build).toThrow(expect.objectContaining({ code: "PLAN_INVALID" }));
});
