import { expect, test } from "vitest";
import { seededRandom } from "../random.js";
import { runTorture } from "./run-torture.js";
import { STORES } from "./store-site.js";

const ROUNDS = 12;

// The long form is `npm run torture`.
test.each(STORES)(
  "the books agree after kills everywhere, checkpoints in %s",
  async (store) => {
    const verdict = await runTorture({ rounds: ROUNDS, seed: seededRandom().seed, store });
    expect(verdict.violations).toEqual([]);
    expect(verdict.comparisons).toBe(2);
    const ends = Object.values(verdict.ends).reduce((sum, n) => sum + n, 0);
    expect(ends).toBe(ROUNDS + 4);
    expect(verdict.killed).toBeGreaterThan(ROUNDS);
    expect(verdict.ends).toMatchObject({ "slot-created": expect.any(Number) });
    expect(verdict.samples.slot).toBeGreaterThan(20);
    expect(verdict.samples.reader).toBeGreaterThan(5);
    expect(verdict.committed).toBeGreaterThan(30);
  },
  240_000,
);
