import { describe, expect, test } from "vitest";
import { pgoutputWith } from "../../../decoders/pgoutput/pgoutput-factory.js";
import { DatabaseCodecs } from "../../../decoders/types/codecs.js";
import { Numeric } from "../../../src/core/numeric.js";
import { Row } from "../../../src/core/row.js";
import { parser, slot } from "../../../src/index.js";
import * as m from "../../fixtures/pgoutput-messages.js";

const NUMERIC = 1700;
const parsers = {
  numeric: parser("number", Number),
  "public.t.exact": parser("string", String),
};
const table: m.RelationSpec = {
  oid: 9,
  name: "t",
  columns: ["plain", "exact", "none"].map((name) => ({ name, typeOid: NUMERIC })),
};

function firstRow(): { row: Record<string, unknown>; object: Record<string, unknown> } {
  const decoder = pgoutputWith(parsers).create();
  for (const message of [m.begin(1n, 1), m.relation(table), m.insert(9, ["1.50", "2.50", null])]) {
    decoder.decode(message, 0, message.length);
  }
  const batch = decoder.take();
  const row = batch.row(0, batch.after[0] as number);
  const relation = batch.relations[0];
  if (relation === undefined) throw new Error("a row has a relation");
  return { row: row as never, object: Row.toObject(row, relation) };
}

describe("a parser", () => {
  test("of a type makes its values, one of a column goes before it, and NULL stays null", () => {
    const { row, object } = firstRow();
    expect([row["plain"], row["exact"], row["none"]]).toEqual([1.5, "2.50", null]);
    expect(object).toEqual(
      Object.assign(Object.create(null), { ...row, plain: 1.5, exact: "2.50", none: null }),
    );
  });

  test("leaves the exact value to operators and names the type for tidemark types", () => {
    const codec = new DatabaseCodecs([], false, parsers).codecOf(NUMERIC, "public.u.x");
    const bytes = Buffer.from("1.50");
    expect(codec.decode(bytes, 0, 4)).toEqual(Numeric.parse("1.50"));
    expect(codec.tsType).toBe("number");
  });

  test("keeps its columns from being sent in binary form", () => {
    const codecs = new DatabaseCodecs([], false, { "public.t.exact": parsers.numeric });
    expect(codecs.hasBinary(NUMERIC, "public.t.exact")).toBe(false);
    expect(codecs.hasBinary(NUMERIC, "public.t.plain")).toBe(true);
  });

  test("is made by parser(): anything else is CONFIG_INVALID", () => {
    expect(slot({ parsers }).options.parsers).toEqual(parsers);
    expect(() => slot({ parsers: { numeric: Number } as never })).toThrow(
      expect.objectContaining({ code: "CONFIG_INVALID" }),
    );
  });
});
