import { describe, expect, test } from "vitest";
import { seededRandom } from "../torture/random.js";
import { simulate } from "./simulate.js";

const SEEDS = 10_000;

describe("in a simulated world of crashes, cuts, lost replies and frozen processes", () => {
  test(`${SEEDS} seeds lose nothing, double nothing and acknowledge nothing early`, async () => {
    const first = seededRandom().between(0, 2 ** 31);
    let faults = 0;
    let transactions = 0;
    for (let seed = first; seed < first + SEEDS; seed++) {
      const verdict = await simulate(seed);
      faults += verdict.faults;
      transactions += verdict.transactions;
      if (verdict.violations.length === 0) continue;
      expect(verdict.violations, `npm run simulate -- --seed ${seed} --seeds 1`).toEqual([]);
    }
    // The worlds were neither peaceful nor empty.
    expect(faults).toBeGreaterThan(5 * SEEDS);
    expect(transactions).toBeGreaterThan(5 * SEEDS);
  }, 900_000);

  test("a seed always plays the same world", async () => {
    const [once, again] = [
      await simulate(7, { isTraced: true }),
      await simulate(7, { isTraced: true }),
    ];
    expect(once.trace.length).toBeGreaterThan(50);
    expect(again).toEqual(once);
  });
});
