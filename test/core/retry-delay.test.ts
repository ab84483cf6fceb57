import { expect, test } from "vitest";
import { retryDelayMs } from "../../src/core/retry-delay.js";

const LIMITS = { minMs: 500, maxMs: 30_000 };

test("the longest pause doubles with each attempt up to the limit", () => {
  const longest = Array.from({ length: 8 }, (_, i) => retryDelayMs(i, LIMITS, () => 1));
  expect(longest).toEqual([500, 1000, 2000, 4000, 8000, 16_000, 30_000, 30_000]);
});

test("the shortest pause is half of the first one, at every attempt", () => {
  for (const attempt of [0, 1, 7, 1000, 1e9])
    expect(retryDelayMs(attempt, LIMITS, () => 0)).toBe(250);
});

test("a pause lies evenly between the shortest and the longest", () => {
  expect(retryDelayMs(1, LIMITS, () => 0.5)).toBe(625);
});
