import fc from "fast-check";
import { expect, test } from "vitest";
import { civilFromDays, daysFromCivil, Timestamp } from "../../src/core/timestamp.js";

test("dates agree with JavaScript's calendar for 270,000 years either way", () => {
  fc.assert(
    fc.property(fc.integer({ min: -99_000_000, max: 99_000_000 }), (days) => {
      const [year, month, day] = civilFromDays(days);
      const date = new Date(days * 86_400_000);
      expect([year, month, day]).toEqual([
        date.getUTCFullYear(),
        date.getUTCMonth() + 1,
        date.getUTCDate(),
      ]);
      expect(daysFromCivil(year, month, day)).toBe(days);
    }),
    { numRuns: 2000 },
  );
});

test.each([
  [0, 0, "1970-01-01 00:00:00+00"],
  [-1, 0, "1969-12-31 23:59:59.999+00"],
  [-1, 999, "1969-12-31 23:59:59.999999+00"],
  [1_795_413_994_250, 0, "2026-11-23 06:06:34.25+00"],
  [0, 7, "1970-01-01 00:00:00.000007+00"],
  [-62_135_596_800_001, 0, "0001-12-31 23:59:59.999+00 BC"],
  [Number.POSITIVE_INFINITY, 0, "infinity"],
  [Number.NEGATIVE_INFINITY, 0, "-infinity"],
])("%d ms and %d µs print as %s", (ms, micros, text) => {
  const value = Timestamp.of(ms, micros);
  expect(value.toString()).toBe(text);
  expect(value.toLocalString()).toBe(text.replace("+00", ""));
  expect(JSON.stringify([value])).toBe(`["${text}"]`);
});

test("order goes by milliseconds, then microseconds, with the infinities outside", () => {
  const ordered = [
    Timestamp.of(Number.NEGATIVE_INFINITY),
    Timestamp.of(-1, 999),
    Timestamp.of(0, 0),
    Timestamp.of(0, 1),
    Timestamp.of(1, 0),
    Timestamp.of(Number.POSITIVE_INFINITY),
  ];
  ordered.forEach((a, i) => {
    ordered.forEach((b, j) => {
      expect(Math.sign(a.compare(b))).toBe(Math.sign(i - j));
    });
  });
});

test("microseconds are whole before the epoch too", () => {
  expect(Timestamp.of(-1, 999).epochMicros).toBe(-1n);
  expect(Timestamp.fromDate(new Date(5)).epochMicros).toBe(5000n);
  expect(Timestamp.of(5, 1).toDate()).toEqual(new Date(5));
  expect(() => Timestamp.of(Number.POSITIVE_INFINITY).epochMicros).toThrow(RangeError);
});
