import fc from "fast-check";
import { expect, test } from "vitest";
import { formatLsn, maxLsn, parseLsn } from "../../src/core/lsn.js";

test.each([
  ["0/0", 0n],
  ["0/1", 1n],
  ["16/B374D848", 0x16_b374d848n],
  ["16/b374d848", 0x16_b374d848n],
  ["1/00000000", 0x1_00000000n],
  ["FFFFFFFF/FFFFFFFF", 2n ** 64n - 1n],
])("%s is read", (text, lsn) => {
  expect(parseLsn(text)).toBe(lsn);
});

test.each(["", "0", "/", "0/", "/0", "G/0", "0/0/0", "123456789/0", "0/123456789", " 0/0", "-1/0"])(
  "%j is refused",
  (text) => {
    expect(() => parseLsn(text)).toThrow(expect.objectContaining({ code: "BAD_VALUE" }));
  },
);

test("the text is PostgreSQL's: upper case, no leading zeros", () => {
  expect(formatLsn(0x16_b374d848n)).toBe("16/B374D848");
  expect(formatLsn(0x1_0000000an)).toBe("1/A");
});

test("print and parse are inverse over all 64 bits", () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), (lsn) => {
      expect(parseLsn(formatLsn(lsn))).toBe(lsn);
    }),
  );
});

test("the later of two positions does not depend on their order", () => {
  expect(maxLsn(1n, 2n ** 63n)).toBe(2n ** 63n);
  expect(maxLsn(2n ** 63n, 1n)).toBe(2n ** 63n);
});
