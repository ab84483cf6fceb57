import { describe, expect, test } from "vitest";
import { Wal2jsonDecoder } from "../../../decoders/wal2json/index.js";
import type { Batch } from "../../../src/core/batch.js";
import type { TidemarkError } from "../../../src/core/errors.js";
import { UNCHANGED } from "../../../src/core/unchanged.js";

const FRAME = '"xid":7,"timestamp":"2026-11-25 01:02:03.5+00"';
const BEGIN = `{"action":"B",${FRAME},"lsn":"0/10","nextlsn":"0/20"}`;
const COMMIT = `{"action":"C",${FRAME},"lsn":"0/10","nextlsn":"0/20"}`;

const columns = (...cells: readonly [name: string, oid: number, value: string][]): string =>
  cells
    .map(([name, oid, value], i) => {
      return `{"name":"${name}","typeoid":${oid},"value":${value},"position":${i + 1}}`;
    })
    .join(",");

const change = (action: string, ...members: string[]): string =>
  `{"action":"${action}",${FRAME},"lsn":"0/8",${['"schema":"public","table":"t"', ...members]}}`;

function decode(...messages: string[]): Batch {
  const decoder = new Wal2jsonDecoder();
  for (const message of messages) {
    const bytes = Buffer.from(message);
    decoder.decode(bytes, 0, bytes.length);
  }
  return decoder.take();
}

function rowOf(batch: Batch, i = 0): Record<string, unknown> {
  return batch.row(i, batch.after[i] as number) as unknown as Record<string, unknown>;
}

function refused(...messages: string[]): TidemarkError {
  try {
    decode(...messages);
  } catch (error) {
    return error as TidemarkError;
  }
  throw new Error("nothing was refused");
}

describe("without a catalogue", () => {
  test("numbers keep every digit that the token has", () => {
    const cells = columns(
      ["a", 20, "9223372036854775807"],
      ["b", 1700, "12345678901234567890.10"],
      ["c", 1700, "0.00000000000000000000000001"],
      ["d", 1700, '"NaN"'],
      ["e", 701, '"-Infinity"'],
    );
    const row = rowOf(decode(BEGIN, change("I", `"columns":[${cells}]`), COMMIT));
    expect(row["a"]).toBe(9223372036854775807n);
    expect([row["b"], row["c"], row["d"]].map(String)).toEqual([
      "12345678901234567890.10",
      "0.00000000000000000000000001",
      "NaN",
    ]);
    expect(row["e"]).toBe(Number.NEGATIVE_INFINITY);
  });

  test("strings with escapes are what they stand for", () => {
    const value = '"\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e4\\ud83c\\udf0a\\ud83c!ß"';
    const row = rowOf(decode(BEGIN, change("I", `"columns":[${columns(["a", 25, value])}]`)));
    expect(row["a"]).toBe('"\\/\b\f\n\r\tä🌊\ufffd!ß');
  });

  test("a column that an update leaves out is UNCHANGED, and one of a fixed size is gone", () => {
    const all = columns(["id", 23, "1"], ["big", 25, '"x"'], ["n", 23, "2"]);
    const some =
      '{"name":"id","typeoid":23,"value":1,"position":1},' +
      '{"name":"n","typeoid":23,"value":3,"position":3}';
    const key =
      '"identity":[{"name":"id","typeoid":23,"value":1}],"pk":[{"name":"id","typeoid":23}]';
    const none = '"pk":[{"name":"id","typeoid":23}]';
    const batch = decode(
      BEGIN,
      change("I", `"columns":[${all}]`, none),
      change("U", `"columns":[${some}]`, key),
      change("U", `"columns":[${columns(["id", 23, "1"], ["big", 25, '"y"'])}]`, key),
    );
    expect(rowOf(batch, 1)["big"]).toBe(UNCHANGED);
    expect(batch.relations[1]).toBe(batch.relations[0]);
    expect(batch.relations[2]?.columns.map(({ name }) => name)).toEqual(["id", "big"]);
  });

  test("a type's OID past 2^31 comes as a negative number", () => {
    const batch = decode(BEGIN, change("I", `"columns":[${columns(["a", -1294967296, '"x"'])}]`));
    expect(batch.relations[0]?.columns[0]?.typeOid).toBe(3_000_000_000);
  });

  test("NaN comes as null from versions that cannot print numbers as strings", () => {
    const row = rowOf(decode(BEGIN, change("I", `"columns":[${columns(["a", 701, "null"])}]`)));
    expect(row["a"]).toBeNull();
  });
});

describe("PROTOCOL says which option is missing", () => {
  const row = `"columns":[${columns(["a", 23, "1"])}]`;

  test.each([
    ["include-transaction", [change("I", row)]],
    ["include-lsn", ['{"action":"B","xid":7,"timestamp":"2026-11-25 01:02:03+00"}']],
    ["include-xids", ['{"action":"B","lsn":"0/10","timestamp":"2026-11-25 01:02:03+00"}']],
    ["include-timestamp", ['{"action":"B","xid":7,"lsn":"0/10"}']],
    ["include-type-oids", [BEGIN, change("I", '"columns":[{"name":"a","value":1}]')]],
  ])("%s", (option, messages) => {
    const error = refused(...messages);
    expect(error.code).toBe("PROTOCOL");
    expect(error.message).toContain(option);
  });
});

describe("PROTOCOL for what no server sends", () => {
  const row = `"columns":[${columns(["a", 23, "1"])}]`;

  test.each([
    ["format version 1", ['{"change":[]}']],
    ["an unknown action", [BEGIN, change("X", row)]],
    ["a begin inside a transaction", [BEGIN, BEGIN]],
    ["a commit without a begin", [COMMIT]],
    ["another transaction's commit", [BEGIN, COMMIT.replace("0/10", "0/11")]],
    ["a delete without an old row", [BEGIN, change("D")]],
    ["an insert with an old row", [BEGIN, change("I", row, '"identity":[]')]],
    ["a time that is none", [BEGIN.replace("2026", "xxxx")]],
    ["a position that is none", [BEGIN.replace("0/10", "zero")]],
    ["something after the message", [`${BEGIN} 1`]],
    ["a value deeper than any number of brackets", [`{"x":${"[".repeat(100_000)}`]],
  ])("%s", (_, messages) => {
    const error = refused(...messages);
    expect(error.code).toBe("PROTOCOL");
    expect(error.detail).toMatchObject({ offset: expect.any(Number), tag: expect.any(Number) });
  });
});
