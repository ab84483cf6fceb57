import fc from "fast-check";
import { expect, test } from "vitest";
import { formatDuration, parseDuration } from "../../src/core/duration.js";

test.each([
  [0, 0],
  [1500, 1500],
  ["0s", 0],
  ["500ms", 500],
  ["5s", 5_000],
  ["5 s", 5_000],
  [" 5s ", 5_000],
  ["5 SECONDS", 5_000],
  ["5 sec", 5_000],
  ["1 minute", 60_000],
  ["2 minutes", 120_000],
  ["3 min", 180_000],
  ["1m", 60_000],
  ["1h30m", 5_400_000],
  ["1 hour 30 minutes", 5_400_000],
  ["1.5h", 5_400_000],
  ["2d", 172_800_000],
  ["2 days", 172_800_000],
  ["1 week", 604_800_000],
  ["10 milliseconds", 10],
  ["1.005s", 1_005],
  ["0.07s", 70],
])("%j is %d ms", (value, ms) => {
  expect(parseDuration(value, "size")).toBe(ms);
});

test.each([
  "",
  " ",
  "5",
  "s",
  "-5s",
  "+5s",
  "5 x",
  "5ss",
  "5mss",
  "1h30",
  "1,5h",
  "1e3s",
  "5s!",
  ".5s",
  "1 month",
  "5constructor",
  "5__proto__",
  `${"9".repeat(400)}d`,
  -1,
  Number.NaN,
  Number.POSITIVE_INFINITY,
])("%j is refused and the option is named", (value) => {
  expect(() => parseDuration(value, "allowedLateness")).toThrow(
    expect.objectContaining({
      code: "CONFIG_INVALID",
      message: expect.stringContaining("allowedLateness"),
    }),
  );
});

test.each([
  [0, "0s"],
  [1, "1ms"],
  [0.5, "0.5ms"],
  [1000, "1s"],
  [5_400_000, "1h30m"],
  [86_400_000 * 7, "7d"],
  [90_061_001, "1d1h1m1s1ms"],
])("%d ms prints as %s", (ms, text) => {
  expect(formatDuration(ms)).toBe(text);
});

test("what is printed is read as the same number", () => {
  fc.assert(
    fc.property(fc.nat(), fc.nat({ max: 1000 }), (ms, thousands) => {
      const value = ms + thousands * 2 ** 32;
      expect(parseDuration(formatDuration(value), "x")).toBe(value);
    }),
  );
});
