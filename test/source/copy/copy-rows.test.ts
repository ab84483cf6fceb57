import { describe, expect, test } from "vitest";
import { codecOf } from "../../../decoders/types/codecs.js";
import type { Relation } from "../../../src/core/relation.js";
import { CopyRows } from "../../../src/source/copy/copy-rows.js";

const TEXT = 25;
const relation: Relation = {
  oid: 1,
  schema: "public",
  name: "t",
  qualifiedName: "public.t",
  replicaIdentity: "default",
  columns: ["a", "b"].map((name) => ({
    name,
    typeOid: TEXT,
    typeModifier: -1,
    isKey: false,
    codec: codecOf(TEXT),
  })),
};

/** The rows of COPY's output, read in pieces of `size` bytes. */
function read(text: string, size = 1000): unknown[][] {
  const rows = new CopyRows(relation);
  const found: unknown[][] = [];
  const bytes = Buffer.from(text);
  for (let at = 0; at < bytes.length; at += size) {
    const batch = rows.feed(Buffer.from(bytes.subarray(at, at + size)));
    for (let i = 0; i < batch.length; i++) {
      const row = batch.row(i, batch.after[i] as number) as unknown as Record<string, unknown>;
      found.push([row["a"], row["b"]]);
    }
  }
  rows.finish();
  return found;
}

describe("rows of a copy", () => {
  test("are told from NULL, from each other, and from what only looks like it", () => {
    expect(read("x\t\\N\n\t\\\\N\n\\\\\t\\N\n")).toEqual([
      ["x", null],
      ["", "\\N"],
      ["\\", null],
    ]);
  });

  test("have their escapes resolved", () => {
    expect(read("\\b\\f\\n\\r\\t\\v\\\\\ta\\nb\\\\n\n")).toEqual([["\b\f\n\r\t\v\\", "a\nb\\n"]]);
  });

  test("are the same wherever the reads split them", () => {
    const text = `é\\\\\t\\N\n${"long ".repeat(50)}\t\\n\n\t\n${"ü".repeat(40)}\tz\n`;
    const whole = read(text);
    expect(whole).toHaveLength(4);
    for (let size = 1; size < 60; size++) expect(read(text, size)).toEqual(whole);
  });

  test("that have too many cells, too few, or no end are PROTOCOL", () => {
    for (const text of ["a\tb\tc\n", "a\n", "a\tb\nc\td"]) {
      expect(() => read(text)).toThrow(expect.objectContaining({ code: "PROTOCOL" }));
    }
  });
});
