import { describe, expect, test } from "vitest";
import { PgoutputDecoder } from "../../../decoders/pgoutput/index.js";
import type { Batch } from "../../../src/core/batch.js";
import { columnIndex, type Relation } from "../../../src/core/relation.js";
import { Row } from "../../../src/core/row.js";
import { UNCHANGED } from "../../../src/core/unchanged.js";
import { dump } from "../../fixtures/batch-dump.js";
import * as m from "../../fixtures/pgoutput-messages.js";

const ORDERS = 16_384;
const orders: m.RelationSpec = {
  oid: ORDERS,
  name: "orders",
  columns: [{ name: "id", typeOid: 23, isKey: true }, { name: "note" }],
};

function decodeAll(messages: readonly Buffer[], decoder = new PgoutputDecoder()): Batch {
  for (const message of messages) decoder.decode(message, 0, message.length);
  return decoder.take();
}

function firstRow(batch: Batch, image: Int32Array = batch.after): Record<string, unknown> {
  return Row.toObject(batch.row(0, image[0] as number), batch.relations[0] as Relation);
}

test("all operations of a transaction, with the old images they carry", () => {
  const batch = decodeAll([
    m.begin(100n, 7, 1_795_413_994_250),
    m.origin(1n, "elsewhere"),
    m.type(70_000, "public", "mood"),
    m.relation({ ...orders, identity: "f" }),
    m.insert(ORDERS, ["1", "new"]),
    m.update(ORDERS, ["1", "changed"]),
    m.update(ORDERS, ["2", null], ["K", ["1", null]]),
    m.update(ORDERS, ["2", m.UNCHANGED_TOAST], ["O", ["2", "old"]]),
    m.logicalMessage("prefix", "content", { lsn: 90n }),
    m.remove(ORDERS, "K", ["2", null]),
    m.remove(ORDERS, "O", ["3", ""]),
    m.truncate([ORDERS]),
    m.commit(100n, 130n),
  ]);
  expect(dump([batch])).toEqual([
    '100/0 xid 7 insert public.orders - -> ("1", "new")',
    '100/1 xid 7 update public.orders - -> ("1", "changed")',
    '100/2 xid 7 update public.orders ("1", absent) -> ("2", NULL)',
    '100/3 xid 7 update public.orders ("2", "old") -> ("2", "old")',
    '100/4 xid 7 delete public.orders ("2", absent) -> -',
    '100/5 xid 7 delete public.orders ("3", "") -> -',
    "100/6 xid 7 truncate public.orders - -> -",
    "100 ends at 130, 1795413994250 ms",
  ]);
});

test("FM1: adjacent commits stay two transactions", () => {
  const batch = decodeAll([
    m.begin(100n, 7),
    m.relation(orders),
    m.insert(ORDERS, ["1", "a"]),
    m.commit(100n, 130n),
    m.begin(130n, 8),
    m.insert(ORDERS, ["2", "b"]),
    m.commit(130n, 160n),
  ]);
  expect(batch.transactions.map((t) => [t.commitLsn, t.commitEndLsn, t.from, t.to])).toEqual([
    [100n, 130n, 0, 1],
    [130n, 160n, 1, 2],
  ]);
});

test("FM2: rows of one statement have ordinals of their own", () => {
  const batch = decodeAll([
    m.begin(100n, 7),
    m.relation(orders),
    ...["1", "2", "3"].map((id) => m.insert(ORDERS, [id, "same LSN"])),
    m.commit(100n, 130n),
  ]);
  expect(dump([batch]).map((line) => line.split(" ")[0])).toEqual([
    "100/0",
    "100/1",
    "100/2",
    "100",
  ]);
});

test("FM3: transactions come in commit order whatever order their xids have", () => {
  const batch = decodeAll([
    m.begin(100n, 9),
    m.relation(orders),
    m.insert(ORDERS, ["1", "started last"]),
    m.commit(100n, 130n),
    m.begin(200n, 7),
    m.insert(ORDERS, ["2", "started first"]),
    m.commit(200n, 230n),
  ]);
  expect(batch.transactions.map(({ xid }) => xid)).toEqual([9, 7]);
});

test("a transaction larger than a batch goes on with the next ordinal", () => {
  const decoder = new PgoutputDecoder();
  const batches = [decodeAll([m.begin(100n, 7), m.relation(orders)], decoder)];
  for (let id = 0; id < 5; id++) {
    batches.push(decodeAll([m.insert(ORDERS, [String(id), ""])], decoder));
    expect(decoder.isInTransaction).toBe(true);
  }
  batches.push(decodeAll([m.commit(100n, 130n)], decoder));
  expect(decoder.isInTransaction).toBe(false);
  const slices = batches.flatMap((batch) => batch.transactions);
  expect(slices.map((s) => s.firstOrdinal)).toEqual([0, 0, 1, 2, 3, 4, 5]);
  expect(slices.map((s) => s.commitEndLsn)).toEqual([null, null, null, null, null, null, 130n]);
  expect(dump(batches).map((line) => line.split(" ")[0])).toEqual([
    ...["100/0", "100/1", "100/2", "100/3", "100/4"],
    "100",
  ]);
  expect(decoder.take().transactions).toEqual([]);
});

test("ordinals count from the transaction's own start, not from the batch's", () => {
  const decoder = new PgoutputDecoder();
  const first = decodeAll(
    [
      m.begin(100n, 7),
      m.relation(orders),
      m.insert(ORDERS, ["1", "a"]),
      m.insert(ORDERS, ["2", "b"]),
      m.commit(100n, 130n),
      m.begin(130n, 8),
      m.insert(ORDERS, ["3", "c"]),
    ],
    decoder,
  );
  const second = decodeAll([m.insert(ORDERS, ["4", "d"]), m.commit(130n, 160n)], decoder);
  const names = dump([first, second]).map((line) => line.split(" ")[0]);
  expect(names).toEqual(["100/0", "100/1", "100", "130/0", "130/1", "130"]);
});

test("unchanged TOAST is the marker, not null and not undefined", () => {
  const batch = decodeAll([
    m.begin(100n, 7),
    m.relation(orders),
    m.update(ORDERS, ["1", m.UNCHANGED_TOAST]),
  ]);
  expect(firstRow(batch)).toEqual(Object.assign(Object.create(null), { id: 1, note: UNCHANGED }));
});

test("any column name is an ordinary column", () => {
  const names = ["__proto__", "constructor", "toObject", "toString", "hasOwnProperty", "#bytes"];
  const batch = decodeAll([
    m.begin(100n, 7),
    m.relation({ oid: 1, name: "odd", columns: names.map((name) => ({ name })) }),
    m.insert(
      1,
      names.map((name) => `value of ${name}`),
    ),
  ]);
  const row = batch.row(0, batch.after[0] as number) as unknown as Record<string, unknown>;
  const object = firstRow(batch);
  for (const name of names) {
    expect(row[name]).toBe(`value of ${name}`);
    expect(object[name]).toBe(`value of ${name}`);
  }
  expect(Object.keys(object)).toEqual(names);
  expect(Object.getPrototypeOf(object)).toBeNull();
});

describe("relations", () => {
  test("FM48: changes keep the version of the table they were written under", () => {
    const wider = { ...orders, columns: [...orders.columns, { name: "added" }] };
    const batch = decodeAll([
      m.begin(100n, 7),
      m.relation(orders),
      m.insert(ORDERS, ["1", "a"]),
      m.relation(wider),
      m.insert(ORDERS, ["2", "b", "c"]),
    ]);
    expect(batch.relations.map(({ columns }) => columns.length)).toEqual([2, 3]);
  });

  test("carry identity, keys, types and modifiers; no schema means pg_catalog", () => {
    for (const [identity, name] of ["default", "nothing", "full", "index"].entries()) {
      const batch = decodeAll([
        m.begin(1n, 1),
        m.relation({
          oid: 5,
          schema: "",
          name: "t",
          identity: "dnfi"[identity] as string,
          columns: [
            { name: "a", typeOid: 1700, typeModifier: 786_438, isKey: true },
            { name: "b", typeOid: 4_000_000_000 },
          ],
        }),
        m.insert(5, [null, null]),
      ]);
      const [relation] = batch.relations as [Relation];
      expect(relation).toMatchObject({ replicaIdentity: name, qualifiedName: "pg_catalog.t" });
      expect(relation.columns).toMatchObject([
        { name: "a", typeOid: 1700, typeModifier: 786_438, isKey: true },
        { name: "b", typeOid: 4_000_000_000, typeModifier: -1, isKey: false },
      ]);
      expect([columnIndex(relation, "b"), columnIndex(relation, "c")]).toEqual([1, -1]);
    }
  });

  test("FM47: one TRUNCATE lists every table it empties", () => {
    const batch = decodeAll([
      m.begin(100n, 7),
      m.relation(orders),
      m.relation({ oid: 2, name: "items", columns: [] }),
      m.truncate([ORDERS, 2], 3),
      m.commit(100n, 130n),
    ]);
    expect(dump([batch]).slice(0, 2)).toEqual([
      "100/0 xid 7 truncate public.orders - -> -",
      "100/1 xid 7 truncate public.items - -> -",
    ]);
  });
});

describe("what no server sends is PROTOCOL", () => {
  const opened = [m.begin(100n, 7), m.relation(orders)];
  test.each<[string, readonly Buffer[]]>([
    ["an empty message", [Buffer.alloc(0)]],
    ["an unknown tag", [Buffer.from("Z")]],
    ["a begin inside a transaction", [m.begin(1n, 1), m.begin(2n, 2)]],
    ["a commit without a begin", [m.commit(1n, 2n)]],
    ["the commit of another transaction", [m.begin(1n, 1), m.commit(2n, 3n)]],
    ["a commit that ends where it starts", [m.begin(1n, 1), m.commit(1n, 1n)]],
    ["a change outside a transaction", [m.relation(orders), m.insert(ORDERS, ["1", "a"])]],
    ["a change of an unknown table", [...opened, m.insert(9, ["1"])]],
    ["a row with too few cells", [...opened, m.insert(ORDERS, ["1"])]],
    ["a row with too many cells", [...opened, m.insert(ORDERS, ["1", "2", "3"])]],
    ["bytes after a row", [...opened, Buffer.concat([m.insert(ORDERS, ["1", "a"]), m.byte(0)])]],
    ["an insert of an old row", [...opened, Buffer.from(m.insert(ORDERS, []).fill("K", 5, 6))]],
    ["an unknown replica identity", [m.relation({ ...orders, identity: "x" })]],
    ["a truncate that lists more than it holds", [...opened, m.truncate([ORDERS]).fill(255, 1, 5)]],
  ])("%s", (_title, messages) => {
    expect(() => decodeAll(messages)).toThrow(
      expect.objectContaining({
        code: "PROTOCOL",
        detail: expect.objectContaining({ tag: expect.any(Number), offset: expect.any(Number) }),
      }),
    );
  });

  test("what came before the bad message stays whole", () => {
    const decoder = new PgoutputDecoder();
    const bad = m.update(ORDERS, ["2", "b"], ["K", ["1", null]]);
    const good = [...opened, m.insert(ORDERS, ["1", "a"])];
    expect(() => decodeAll([...good, bad.subarray(0, bad.length - 1)], decoder)).toThrow();
    expect(dump([decoder.take()])).toEqual(['100/0 xid 7 insert public.orders - -> ("1", "a")']);
  });
});

test("a message is read from its own bytes, wherever it lies in a read", () => {
  const decoder = new PgoutputDecoder();
  const messages = [m.begin(100n, 7), m.relation(orders), m.insert(ORDERS, ["1", "a"])];
  const joined = Buffer.concat([Buffer.alloc(3, 255), ...messages, Buffer.alloc(3, 255)]);
  let at = 3;
  for (const { length } of messages) {
    decoder.decode(joined, at, at + length);
    at += length;
  }
  expect(dump([decoder.take()])).toEqual(['100/0 xid 7 insert public.orders - -> ("1", "a")']);
});

test("pending counts transactions without changes too", () => {
  const decoder = new PgoutputDecoder();
  expect(decoder.pending).toBe(0);
  const message = m.begin(100n, 7);
  decoder.decode(message, 0, message.length);
  expect(decoder.pending).toBe(1);
});
