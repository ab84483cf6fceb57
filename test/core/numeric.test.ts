import { expect, test } from "vitest";
import { Numeric, powerOfTen } from "../../src/core/numeric.js";
import { divide } from "../../src/core/numeric-division.js";

const n = (text: string): Numeric => Numeric.parse(text);

test.each([
  ["0", 0n, 0],
  ["-0", 0n, 0],
  ["1.50", 150n, 2],
  ["-0.007", -7n, 3],
  [".5", 5n, 1],
  ["5.", 5n, 0],
  ["9007199254740993", 9007199254740993n, 0],
  ["1e3", 1000n, 0],
  ["1.25e1", 125n, 1],
  ["12e-3", 12n, 3],
])("%s has the unscaled value %d and scale %d", (text, unscaled, scale) => {
  expect(n(text).unscaled).toBe(unscaled);
  expect(n(text).scale).toBe(scale);
});

test.each(["", ".", "-", "-.", "+1", "1.2.3", "1e", "e5", "0x10", " 1", "1 ", "infinity", "nan"])(
  "%j is refused",
  (text) => {
    expect(() => n(text)).toThrow(expect.objectContaining({ code: "BAD_VALUE" }));
  },
);

test.each(["1e131073", "10e131072", "1e-16384", `0.${"1".repeat(16_384)}`])(
  "%s is more than numeric holds",
  (text) => {
    expect(() => n(text)).toThrow(expect.objectContaining({ code: "BAD_VALUE" }));
  },
);

test("a huge power of ten is made alone, without all the smaller ones", () => {
  const before = process.memoryUsage().rss;
  expect(n("1e99999").toString()).toHaveLength(100_000);
  expect(process.memoryUsage().rss - before).toBeLessThan(2 ** 28);
});

test.each([
  "0",
  "-1",
  "0.00",
  "-0.05",
  "123456789012345678901234567890.123456789",
  "NaN",
  "Infinity",
  "-Infinity",
])("%s prints as it was read", (text) => {
  expect(n(text).toString()).toBe(text);
  expect(JSON.stringify({ value: n(text) })).toBe(`{"value":"${text}"}`);
});

test("minus zero has no sign in any form", () => {
  expect(Numeric.of(-0).toString()).toBe("0");
  expect(Object.is(Numeric.of(-0).toNumber(), 0)).toBe(true);
  expect(n("-0.00").toString()).toBe("0.00");
});

test("sums stay exact across the border of the safe integers", () => {
  const max = Numeric.of(Number.MAX_SAFE_INTEGER);
  const sum = max.add(Numeric.of(2));
  expect(sum.toString()).toBe("9007199254740993");
  expect(sum.subtract(Numeric.of(2)).equals(max)).toBe(true);
});

test("scales do not matter to comparison, but to the text", () => {
  expect(n("1.0").equals(n("1.00"))).toBe(true);
  expect(n("1.0").add(n("1.00")).toString()).toBe("2.00");
  expect(n("1.1").lessThan(n("1.11"))).toBe(true);
  expect(n("-5").greaterThan(n("-6"))).toBe(true);
});

test("NaN equals itself and is above Infinity", () => {
  const ordered = ["-Infinity", "-1", "0", "1e30", "Infinity", "NaN"].map(n);
  ordered.forEach((a, i) => {
    ordered.forEach((b, j) => {
      expect(Math.sign(a.compare(b))).toBe(Math.sign(i - j));
    });
  });
});

test("toNumber gives the nearest double", () => {
  expect(n("0.1").toNumber()).toBe(0.1);
  expect(n("NaN").toNumber()).toBeNaN();
  expect(n("-Infinity").toNumber()).toBe(Number.NEGATIVE_INFINITY);
  expect(n("9007199254740993").toNumber()).toBe(9007199254740992);
});

test("powers of ten are right far beyond those that are kept", () => {
  for (const exponent of [0, 1, 22, 400, 401, 5000]) {
    expect(powerOfTen(exponent)).toBe(10n ** BigInt(exponent));
  }
});

test("a quotient of special values follows its signs", () => {
  expect(divide(n("Infinity"), n("-2")).toString()).toBe("-Infinity");
  expect(divide(n("NaN"), n("-2")).toString()).toBe("NaN");
});
