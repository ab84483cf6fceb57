import { describe, expect, test } from "vitest";
import { FULL_READ_BYTES, QUIET_BYTES, RecentBytes, wantsPause } from "../../src/source/pacing.js";

describe("a read", () => {
  test.each([
    ["that is small is followed by a pause", 1, QUIET_BYTES, true],
    ["that is nearly full is followed by a pause", FULL_READ_BYTES - 1, 1e6, true],
    ["that is full is followed by the next one at once", FULL_READ_BYTES, 1e6, false],
    ["of a nearly idle stream is followed by the next one at once", 300, QUIET_BYTES - 1, false],
  ])("%s", (_, bytesRead, recentBytes, isWanted) => {
    expect(wantsPause(bytesRead, recentBytes)).toBe(isWanted);
  });

  test("that fills the buffer of Node's socket counts as full", () => {
    expect(wantsPause(65_536, 65_536)).toBe(false);
  });
});

test("half of the recent bytes is forgotten every four milliseconds", () => {
  const recent = new RecentBytes();
  expect(recent.add(1000, 50)).toBe(1000);
  expect(recent.add(0, 54)).toBe(500);
  expect(recent.add(10, 62)).toBe(135);
  expect(recent.add(7, 100_000)).toBeCloseTo(7);
});
