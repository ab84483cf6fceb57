import { expect, test } from "vitest";
import { codecOf } from "../../../decoders/types/codecs.js";

const OID = {
  bool: 16,
  bytea: 17,
  int8: 20,
  int4: 23,
  json: 114,
  float8: 701,
  date: 1082,
  timestamp: 1114,
  timestamptz: 1184,
  numeric: 1700,
} as const;

/** The cell between neighbours that a reader past its end would see. */
function cell(text: string): [Buffer, number, number] {
  const value = Buffer.from(text);
  return [Buffer.concat([Buffer.from("19"), value, Buffer.from(" 19")]), 2, 2 + value.length];
}

const malformed: readonly (readonly [type: keyof typeof OID, text: string])[] = [
  ["bool", ""],
  ["bool", "true"],
  ["bool", "x"],
  ["bytea", "abc"],
  ["bytea", "\\x0"],
  ["bytea", "\\xzz"],
  ["int4", ""],
  ["int4", "-"],
  ["int4", "1.5"],
  ["int4", "1e3"],
  ["int8", ""],
  ["int8", "-"],
  ["int8", "12345678901234567890x"],
  ["json", "{"],
  ["float8", ""],
  ["float8", "fast"],
  ["float8", " 1"],
  ["float8", "0x10"],
  ["numeric", ""],
  ["numeric", "."],
  ["numeric", "-."],
  ["numeric", "1.2.3"],
  ["numeric", "12a"],
  ["date", "2026-13-01"],
  ["date", "2026-1-1"],
  ["date", "today"],
  ["timestamp", ""],
  ["timestamp", "2026-11-23"],
  ["timestamp", "2026-11-23T06:07:14"],
  ["timestamp", "2026/11/23 06:07:14"],
  ["timestamp", "2026-11-23 06:07"],
  ["timestamp", "2026-11-23 06:07:14."],
  ["timestamp", "2026-00-23 06:07:14"],
  ["timestamp", "2026-11-32 06:07:14"],
  ["timestamp", "2026-11-23 24:07:14"],
  ["timestamp", "2026-11-23 06:61:14"],
  ["timestamp", "20x6-11-23 06:07:14"],
  ["timestamptz", "2026-11-23 06:07:14+0"],
  ["timestamptz", "2026-11-23 06:07:14 AD"],
  ["timestamptz", "Mon Nov 23 06:07:14 2026 UTC"],
];

test.each(malformed)("%s refuses %j without quoting it", (type, text) => {
  const codec = codecOf(OID[type]);
  const [bytes, start, end] = cell(text);
  const read = codec.readEpochMs ?? codec.readNumber ?? codec.decode;
  expect(() => read.call(codec, bytes, start, end)).toThrow(
    expect.objectContaining({ name: "TidemarkError", code: "BAD_VALUE" }),
  );
});

test.each([
  ["int8", "999999999999999", 999999999999999, 0],
  ["int8", "-12", -12, 0],
  ["numeric", "12.50", 1250, 2],
  ["numeric", "-0.000", 0, 3],
  ["numeric", "9007199254740991", 9007199254740991, 0],
  ["numeric", "90071992547409.1", 900719925474091, 1],
] as const)("%s %s is read as %d with scale %d", (type, text, unscaled, scale) => {
  const out = { unscaled: Number.NaN, scale: Number.NaN };
  expect(codecOf(OID[type]).readScaled?.(...cell(text), out)).toBe(true);
  expect(out).toEqual({ unscaled, scale });
});

test.each([
  ["int8", "9223372036854775807"],
  ["numeric", "9007199254740993"],
  ["numeric", "NaN"],
  ["numeric", "-Infinity"],
  ["numeric", "0.12345678901234567"],
] as const)("%s %s is left to decode", (type, text) => {
  const out = { unscaled: 0, scale: 0 };
  expect(codecOf(OID[type]).readScaled?.(...cell(text), out)).toBe(false);
  expect(String(codecOf(OID[type]).decode(...cell(text)))).toBe(text);
});

test("a type nobody knows arrives as its text, whose bytes are not canonical", () => {
  const codec = codecOf(70_000);
  expect(codec.kind).toBe("other");
  expect(codec.hasCanonicalBytes).toBe(false);
  expect(codec.decode(...cell("(1,2)"))).toBe("(1,2)");
});

test("bytes that are cut out of a read are copied", () => {
  const [bytes, start, end] = cell("\\x0102");
  const value = codecOf(OID.bytea).decode(bytes, start, end) as Uint8Array;
  bytes.fill(0);
  expect([...value]).toEqual([1, 2]);
});

test("a multi-byte text is decoded from its own bytes only", () => {
  expect(codecOf(25).decode(...cell("äß🌊"))).toBe("äß🌊");
});
