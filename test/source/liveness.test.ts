import { expect, test } from "vitest";
import { judgeLiveness } from "../../src/source/liveness.js";

const facts = { lastHeardMs: 1000, isPaused: false, walSenderTimeoutMs: 60_000, fruitlessTrips: 0 };

const after = (silenceMs: number, changes: Partial<typeof facts> = {}): string =>
  judgeLiveness({ ...facts, ...changes, nowMs: facts.lastHeardMs + silenceMs });

test.each([
  [0, "alive"],
  [59_999, "alive"],
  [60_000, "probe"],
  [89_999, "probe"],
  [90_000, "dead"],
])("after %i ms of silence under a timeout of 60 s the verdict is %s", (silenceMs, verdict) => {
  expect(after(silenceMs)).toBe(verdict);
});

test("FM11: without wal_sender_timeout silence proves nothing", () => {
  expect(after(10 * 3_600_000, { walSenderTimeoutMs: 0 })).toBe("alive");
});

test("FM13: silence while we hold back-pressure proves nothing", () => {
  expect(after(10 * 3_600_000, { isPaused: true })).toBe("alive");
});

test.each([
  [1, 180_000],
  [2, 360_000],
  [3, 720_000],
  [10, 1_800_000],
  [2000, 1_800_000],
])("FM14: after %i fruitless trips the limit is %i ms", (fruitlessTrips, limitMs) => {
  expect(after(limitMs - 1, { fruitlessTrips })).toBe("probe");
  expect(after(limitMs, { fruitlessTrips })).toBe("dead");
});

test("a timeout beyond half an hour is still waited for before the verdict is death", () => {
  const walSenderTimeoutMs = 3_600_000;
  expect(after(3_599_999, { walSenderTimeoutMs })).toBe("alive");
  expect(after(5_400_000, { walSenderTimeoutMs })).toBe("dead");
});
