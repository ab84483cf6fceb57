import fc from "fast-check";
import { expect, test } from "vitest";
import { BlockReader, BlockWriter } from "../../src/state/block.js";
import { schemaDifferences, schemaOf } from "../../src/state/state-schema.js";

const SCHEMA = schemaOf({ keys: "customer", aggregates: "count(*)" });

const item = fc.oneof(
  fc.record({ kind: fc.constant("integer" as const), value: fc.maxSafeNat() }),
  fc.record({ kind: fc.constant("double" as const), value: fc.double() }),
  fc.record({ kind: fc.constant("bytes" as const), value: fc.uint8Array({ maxLength: 3000 }) }),
  fc.record({
    kind: fc.constant("text" as const),
    value: fc.string({ unit: "binary-ascii", maxLength: 50 }),
  }),
);
type Item = typeof item extends fc.Arbitrary<infer T> ? T : never;

function write(items: readonly Item[]): Uint8Array {
  const writer = new BlockWriter(SCHEMA);
  for (const { kind, value } of items) {
    if (kind === "integer") writer.integer(value);
    else if (kind === "double") writer.double(value);
    else if (kind === "bytes") writer.bytes(value);
    else writer.text(value);
  }
  return writer.finish();
}

test("what is written is read back, in order, to the end", () => {
  fc.assert(
    fc.property(fc.array(item), (items) => {
      const reader = new BlockReader(write(items), "totals");
      for (const { kind, value } of items) expect(reader[kind]()).toEqual(value);
      expect(reader.isAtEnd).toBe(true);
    }),
  );
});

test("any flipped bit and any cut is CHECKPOINT_CORRUPT", () => {
  const block = write([{ kind: "text", value: "0123456789" }]);
  const corrupt = expect.objectContaining({ code: "CHECKPOINT_CORRUPT" });
  for (let bit = 0; bit < block.length * 8; bit++) {
    const bad = block.slice();
    bad[bit >> 3] = (bad[bit >> 3] as number) ^ (1 << (bit & 7));
    expect(() => new BlockReader(bad, "totals")).toThrow(corrupt);
  }
  for (let length = 0; length < block.length; length++) {
    expect(() => new BlockReader(block.slice(0, length), "totals")).toThrow(corrupt);
  }
});

test("a block tells what its state was made under, and in what that differs", () => {
  const { schema } = new BlockReader(write([]), "totals");
  expect(schemaDifferences(schema, SCHEMA)).toEqual([]);
  expect(schemaDifferences(schema, schemaOf({ aggregates: "count(*)", keys: "customer" }))).toEqual(
    [],
  );
  expect(
    schemaDifferences(schema, schemaOf({ keys: "", aggregates: "sum(é)", window: "m" })),
  ).toEqual([
    'aggregates: was "count(*)", is "sum(é)"',
    'keys: was "customer", is none',
    'window: was none, is "m"',
  ]);
});

test.each(["integer", "double", "bytes", "text"] as const)(
  "reading %s past the end is CHECKPOINT_CORRUPT, not a hang and not nonsense",
  (kind) => {
    const reader = new BlockReader(write([]), "totals");
    expect(() => reader[kind]()).toThrow(expect.objectContaining({ code: "CHECKPOINT_CORRUPT" }));
  },
);

test("a length that points past the end is CHECKPOINT_CORRUPT", () => {
  const reader = new BlockReader(write([{ kind: "integer", value: 50 }]), "totals");
  expect(() => reader.bytes()).toThrow(expect.objectContaining({ code: "CHECKPOINT_CORRUPT" }));
});

test("a number with as many digits as numeric allows fits a text", () => {
  const value = "9".repeat(400_000);
  expect(new BlockReader(write([{ kind: "text", value }]), "totals").text()).toBe(value);
});

test("a block inside a larger buffer is read from its own bytes", () => {
  const block = write([{ kind: "double", value: 1.5 }]);
  const around = Buffer.concat([Buffer.alloc(7, 255), block, Buffer.alloc(7, 255)]);
  expect(new BlockReader(around.subarray(7, 7 + block.length), "totals").double()).toBe(1.5);
});

test("hashes of schemas are stable across releases", () => {
  expect(schemaOf({ keys: "a" }).hash).toBe(0x6d46e258);
});
