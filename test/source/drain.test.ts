import { expect, test } from "vitest";
import { type DrainState, isDraining, NO_DRAIN, observeKeepalive } from "../../src/source/drain.js";

/** Folds keepalives `[time, walEnd, isReplyRequested]`. */
function fold(...keepalives: (readonly [number, bigint, boolean])[]): DrainState {
  return keepalives.reduce(
    (state, [nowMs, walEnd, isReplyRequested]) =>
      observeKeepalive(state, { walEnd, serverMs: 0, isReplyRequested }, nowMs),
    NO_DRAIN,
  );
}

const times = [0, 10, 20, 30];

test("four questions about one position within a second are a server that waits", () => {
  expect(isDraining(fold(...times.map((at) => [at, 5n, true] as const)))).toBe(true);
  expect(isDraining(fold(...times.slice(1).map((at) => [at, 5n, true] as const)))).toBe(false);
});

test("keepalives that ask nothing are ordinary life", () => {
  expect(isDraining(fold(...times.map((at) => [at, 5n, false] as const)))).toBe(false);
  const questions = times.map((at) => [at, 5n, true] as const);
  expect(isDraining(fold(...questions.slice(1), [31, 6n, false]))).toBe(false);
});

test("questions about growing positions are a server that sends", () => {
  expect(isDraining(fold(...times.map((at) => [at, BigInt(at), true] as const)))).toBe(false);
});

test("questions a second apart are ordinary life", () => {
  expect(isDraining(fold([0, 5n, true], [400, 5n, true], [800, 5n, true], [1200, 5n, true]))).toBe(
    false,
  );
});
