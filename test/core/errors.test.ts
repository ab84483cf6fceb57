import { expect, test } from "vitest";
import { AssertionFailure, assert } from "../../src/core/assert.js";
import { ERROR_CODES, type ErrorCode, EXIT } from "../../src/core/error-codes.js";
import { TidemarkError } from "../../src/core/errors.js";

const codes = Object.entries(ERROR_CODES) as [ErrorCode, (typeof ERROR_CODES)[ErrorCode]][];

test.each(codes)("%s says what it means and how the command line ends", (code, facts) => {
  expect(code).toMatch(/^[A-Z]+(_[A-Z]+)*$/);
  expect(facts.doc).toMatch(/^[A-Z].{30,}\.$/s);
  expect(Object.values(EXIT)).toContain(facts.exitCode);
  expect(facts.exitCode).toBeGreaterThan(EXIT.internal);
  expect(["backoff", "operator", "never"]).toContain(facts.retry);
});

test("exit codes are distinct and fit a shell", () => {
  const values = Object.values(EXIT);
  expect(new Set(values).size).toBe(values.length);
  for (const value of values) expect(value).toBeLessThan(64);
});

test.each([
  ["SLOT_LOST", "operator", 4],
  ["SLOT_AHEAD", "operator", 4],
  ["SLOT_MISSING", "operator", 4],
  ["OTHER_SYSTEM", "operator", 5],
  ["DIVERGED", "operator", 5],
  ["FENCED", "never", 6],
  ["CONFIG_INVALID", "never", 2],
  ["LIVENESS", "backoff", 3],
  ["PROTOCOL", "backoff", 3],
  ["SERVER_DRAINING", "backoff", 3],
  ["SLOT_ACTIVE", "backoff", 3],
] as const)("%s is retried by %s and exits with %i", (code, retry, exitCode) => {
  expect(new TidemarkError(code, "x")).toMatchObject({ retry, exitCode });
});

test("an error carries its code, a frozen detail and its cause", () => {
  const cause = new Error("below");
  const error = new TidemarkError("BAD_VALUE", "A cell is wrong.", {
    cause,
    detail: { offset: 3 },
  });
  expect(error).toMatchObject({ name: "TidemarkError", domain: "data", detail: { offset: 3 } });
  expect(error.cause).toBe(cause);
  expect(Object.isFrozen(error.detail)).toBe(true);
  expect("cause" in new TidemarkError("BAD_VALUE", "x")).toBe(false);
});

test("a broken invariant is not a TidemarkError", () => {
  expect(() => assert(false, "two is three")).toThrow(AssertionFailure);
  expect(() => assert(false, "two is three")).toThrow("invariant broken: two is three");
  expect(() => assert(true, "two is two")).not.toThrow();
});
