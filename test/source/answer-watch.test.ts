import { describe, expect, test } from "vitest";
import { whyLost } from "../../src/source/answer-watch.js";
import type { BackendFacts } from "../../src/source/backend-facts.js";

const PATIENCE_MS = 1_000;
const working: BackendFacts = {
  isDirect: true,
  state: "active",
  isWaitingForClient: false,
  unchangedMs: 60_000,
};
const waiting: BackendFacts = {
  ...working,
  state: "idle in transaction",
  isWaitingForClient: true,
};

describe("a connection whose answer is late", () => {
  test.each([
    ["the server works on it, however long", working],
    ["the server has only just begun to wait", { ...waiting, unchangedMs: 999 }],
    ["the server answers, but does not let us in", "refused"],
    ["a pooler between has no backend to name", { ...waiting, isDirect: false, state: null }],
  ] as const)("is kept when %s", (_, seen) => {
    expect(whyLost(seen, PATIENCE_MS)).toBeNull();
  });

  test.each([
    ["the server waits for us as we do for it", waiting, /nothing to do/],
    ["the server does not know it any more", { ...working, state: null }, /no such connection/],
    ["nothing answers at all", "silent", /does not answer/],
  ] as const)("is given up when %s", (_, seen, words) => {
    expect(whyLost(seen, PATIENCE_MS)).toMatch(words);
  });
});
