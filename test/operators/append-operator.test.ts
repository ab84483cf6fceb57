import { describe, expect, test } from "vitest";
import type { CatalogTable } from "../../src/core/catalog.js";
import type { AppendBatch } from "../../src/core/output.js";
import { unpackCells } from "../../src/core/packed-cells.js";
import { pipeline, postgres } from "../../src/pipeline/builder.js";
import type { Plan } from "../../src/pipeline/plan.js";
import { slot } from "../../src/pipeline/specs.js";
import { OperatorHarness } from "../fixtures/operator-harness.js";
import * as m from "../fixtures/pgoutput-messages.js";
import { batchesOf, catalogTable, messagesOf } from "../fixtures/shop.js";

const OID = 500;
const T0 = Date.UTC(2026, 10, 23, 12);
const columns = [
  ["id", 20, "bigint"],
  ["note", 25, "text"],
  ["price", 1700, "numeric(12,2)"],
] as const;
const notes: CatalogTable = { ...catalogTable("public.notes", columns), identityKey: ["id"] };

function relation(identity: "d" | "f", names: readonly string[] = ["id", "note", "price"]): Buffer {
  const specs = names.map((name) => {
    const typeOid = columns.find(([column]) => column === name)?.[1] ?? 25;
    return { name, typeOid, isKey: identity === "f" || name === "id" };
  });
  return m.relation({ oid: OID, name: "notes", identity, columns: specs });
}

function planOf(isAppendOnly: boolean, options = {}): Plan {
  const append = postgres.append("copies", options) as never;
  return pipeline("p", { source: slot() }, (from) => {
    if (isAppendOnly) from("notes" as never, { appendOnly: true }).into(append);
    else
      from("notes" as never)
        .changes()
        .into(append);
  }).plan;
}

/** A pipeline over the table of notes, and what it appends. */
function notesOf(isAppendOnly: boolean, options = {}) {
  const harness = new OperatorHarness(planOf(isAppendOnly, options), [notes]);
  let commitLsn = 256n;
  const send = (
    changes: readonly Buffer[],
    isCut?: (i: number) => boolean,
    commitMs = T0,
  ): void => {
    const transaction = { commitLsn, endLsn: commitLsn + 16n, commitMs, changes };
    commitLsn += 16n;
    for (const batch of batchesOf(messagesOf(transaction), isCut)) {
      for (const slice of batch.transactions) harness.engine.apply(batch, slice);
    }
  };
  const collect = (): AppendBatch => harness.engine.collect()[0] as AppendBatch;
  const names = harness.compiled.shapes[0]?.columns.map(({ name }) => name) ?? [];
  /** Rows since the last call, as objects. */
  const rows = (): Record<string, string | null>[] => {
    const batch = collect();
    const cells = batch.cells.map(unpackCells);
    return Array.from({ length: batch.rowCount }, (_, i) =>
      Object.fromEntries(names.map((name, c) => [name, cells[c]?.[i] ?? null])),
    );
  };
  return { harness, send, rows, collect, shape: harness.compiled.shapes[0] };
}

describe("an append table of an append-only table", () => {
  test("has the position first, then the source's columns with their types", () => {
    expect(notesOf(true).shape?.columns.map((c) => `${c.name} ${c.sqlType} ${c.role}`)).toEqual([
      "_commit_lsn pg_lsn position",
      "_ordinal bigint position",
      "_op text value",
      "_committed_at timestamp with time zone time",
      "_missing text[] value",
      "id bigint value",
      "note text value",
      "price numeric(12,2) value",
    ]);
  });

  test("gets a row an insert, with commit LSN, ordinal and commit time, however it is cut", () => {
    const texts = ["", "NULL", 'ä"\\', "x".repeat(100)];
    const changes = [relation("d"), ...texts.map((text, i) => m.insert(OID, [`${i}`, text, null]))];
    const expected = texts.map((note, i) => ({
      _commit_lsn: "0/100",
      _ordinal: `${i}`,
      _op: "insert",
      _committed_at: "2026-11-23 12:00:00.123456+00",
      _missing: null,
      id: `${i}`,
      note,
      price: null,
    }));
    for (const isCut of [() => false, () => true, (i: number) => i % 2 === 0]) {
      const { send, rows } = notesOf(true);
      send(changes, isCut, T0 + 123.456);
      expect(rows()).toEqual(expected);
    }
  });

  test("keeps the columns that are chosen, in that order", () => {
    const { send, rows } = notesOf(true, { columns: ["price", "id"] });
    send([relation("d"), m.insert(OID, ["1", "n", "2.50"])]);
    const [row] = rows();
    expect(Object.keys(row ?? {}).slice(5)).toEqual(["price", "id"]);
    expect(row).toMatchObject({ price: "2.50", id: "1" });
  });

  test("names a column that the messages do not have yet, and takes it once they do", () => {
    const { send, rows } = notesOf(true);
    send([relation("d", ["id", "price"]), m.insert(OID, ["1", "2.50"])]);
    send([relation("d"), m.insert(OID, ["2", "n", null])]);
    expect(rows()).toMatchObject([
      { id: "1", note: null, price: "2.50", _missing: '{"note"}' },
      { id: "2", note: "n", price: null, _missing: null },
    ]);
  });

  test("stops at a column that is dropped, or has another type", () => {
    const { send } = notesOf(true);
    send([relation("d"), m.insert(OID, ["1", "n", null])]);
    const error = expect.objectContaining({ code: "SOURCE_SCHEMA_CHANGED" });
    const gone = [relation("d", ["id", "note"]), m.insert(OID, ["2", "n"])];
    expect(() => send(gone)).toThrow(error);
    const retyped = m.relation({ oid: OID, name: "notes", columns: [{ name: "id", typeOid: 23 }] });
    expect(() => notesOf(true).send([retyped, m.insert(OID, ["2"])])).toThrow(error);
  });

  test("stops at an update", () => {
    const { send } = notesOf(true);
    const update = [relation("d"), m.update(OID, ["1", "n", null])];
    expect(() => send(update)).toThrow(expect.objectContaining({ code: "APPEND_ONLY" }));
  });

  test("removes what is older than retain by commit time, not at every flush", () => {
    const { send, collect } = notesOf(true, { retain: "1 hour" });
    send([relation("d"), m.insert(OID, ["1", "n", null])]);
    expect(collect().removeBeforeMs).toBe(T0 - 3_600_000);
    send([relation("d"), m.insert(OID, ["2", "n", null])], undefined, T0 + 50_000);
    expect(collect().removeBeforeMs).toBe(null);
    send([relation("d"), m.insert(OID, ["3", "n", null])], undefined, T0 + 60_000);
    expect(collect().removeBeforeMs).toBe(T0 - 3_540_000);
  });

  test("holds its rows' bytes until they are collected, or discarded in a replay", () => {
    const { harness, send, collect } = notesOf(true);
    const insert = m.insert(OID, ["1", "x".repeat(1000), null]);
    send([relation("d"), insert, insert]);
    expect(harness.engine.heldBytes).toBeGreaterThan(2000);
    expect(harness.engine.heldBytes).toBeLessThan(2400);
    collect();
    expect(harness.engine.heldBytes).toBe(0);
    send([relation("d"), insert]);
    for (const output of harness.compiled.outputs) output.discard();
    expect(harness.engine.heldBytes).toBe(0);
    expect(harness.engine.collect()).toEqual([]);
  });
});

describe("an append table of changes", () => {
  test("has a row for each kind of change, in order", () => {
    const { send, rows } = notesOf(false);
    send([
      relation("d"),
      m.insert(OID, ["1", "n", "1.00"]),
      m.update(OID, ["1", "new", "1.00"]),
      m.remove(OID, "K", ["1", null, null]),
      m.truncate([OID]),
    ]);
    expect(rows().map((row) => [row["_ordinal"], row["_op"], row["id"], row["note"]])).toEqual([
      ["0", "insert", "1", "n"],
      ["1", "update", "1", "new"],
      ["2", "delete", "1", null],
      ["3", "truncate", null, null],
    ]);
  });

  test("names what a delete does not hold, and nothing with a full old row", () => {
    const { send, rows } = notesOf(false);
    send([relation("d"), m.remove(OID, "K", ["1", null, null])]);
    send([relation("f"), m.remove(OID, "O", ["1", "n", null])]);
    expect(rows()).toMatchObject([
      { id: "1", note: null, price: null, _missing: '{"note","price"}' },
      { id: "1", note: "n", price: null, _missing: null },
    ]);
  });

  test("takes an unchanged TOAST value from the old row, or names it", () => {
    const { send, rows } = notesOf(false);
    const after: m.Cell[] = ["1", m.UNCHANGED_TOAST, "2.00"];
    send([relation("d"), m.update(OID, after)]);
    send([relation("d"), m.update(OID, after, ["K", ["2", null, null]])]);
    send([relation("f"), m.update(OID, after, ["O", ["1", "big", "1.00"]])]);
    expect(rows()).toMatchObject([
      { note: null, price: "2.00", _missing: '{"note"}', _before: null },
      { note: null, price: "2.00", _missing: '{"note"}', _before: '{"id":"2"}' },
      { note: "big", _missing: null, _before: '{"id":"1","note":"big","price":"1.00"}' },
    ]);
  });

  test("of a table without a replica identity is refused with the statement", () => {
    const message = expect.stringMatching(/ALTER TABLE "public"\."notes" REPLICA IDENTITY FULL/);
    const bare = { ...notes, identityKey: [] };
    expect(() => new OperatorHarness(planOf(false), [bare])).toThrow(
      expect.objectContaining({ code: "PLAN_INVALID", message }),
    );
  });

  test("cannot take a column of the name of one of its own", () => {
    const clashing = {
      ...catalogTable("public.notes", [...columns, ["_op", 25, "text"]]),
      identityKey: ["id"],
    };
    const message = expect.stringMatching(/"_op".*append\(table, \{ columns \}\)/);
    expect(() => new OperatorHarness(planOf(false), [clashing])).toThrow(
      expect.objectContaining({ code: "PLAN_INVALID", message }),
    );
    const chosen = planOf(false, { columns: ["id"] });
    expect(() => new OperatorHarness(chosen, [clashing])).not.toThrow();
  });
});
