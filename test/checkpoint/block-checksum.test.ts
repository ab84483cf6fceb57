import fc from "fast-check";
import { expect, test } from "vitest";
import { blockChecksum } from "../../src/checkpoint/block-checksum.js";
import { BlockWriter } from "../../src/state/block.js";
import { schemaOf } from "../../src/state/state-schema.js";

function stateBlock(value: number): Uint8Array {
  const writer = new BlockWriter(schemaOf({ keys: "k" }));
  writer.double(value);
  return writer.finish();
}

test("blocks that end with their own checksum are told apart", () => {
  const checksums = Array.from({ length: 1000 }, (_, value) => blockChecksum(stateBlock(value)));
  expect(new Set(checksums).size).toBe(1000);
});

test("every bit counts, also in blocks of a few bytes", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), fc.nat(), (bytes, place) => {
      const bit = place % (bytes.length * 8);
      const other = bytes.slice();
      other[bit >> 3] = (other[bit >> 3] as number) ^ (1 << (bit & 7));
      expect(blockChecksum(other)).not.toBe(blockChecksum(bytes));
    }),
  );
});
