import { expect, test } from "vitest";
import {
  type BudgetFacts,
  type Excess,
  judgeBudget,
  observeExcess,
} from "../../../src/source/detour/judge-budget.js";

const BUDGET = 100n;
const PATIENCE_MS = 30;

const LONG: Excess = { sinceMs: 0, leastBytes: 200n, leastUnsettled: 200n };

function verdict(facts: Partial<BudgetFacts>) {
  return judgeBudget({
    phase: "slot",
    budgetBytes: BUDGET,
    excess: null,
    nowMs: PATIENCE_MS,
    patienceMs: PATIENCE_MS,
    unsettledBytes: 200n,
    isFullAndRead: false,
    lastResort: "stop",
    mayDetour: true,
    ...facts,
  });
}

/** After looks at a slot, or at one that is confirmed from a detour. */
function observed(looks: readonly { at: number; lag: bigint; unsettled?: bigint }[]) {
  return looks.reduce<Excess | null>(
    (before, { at, lag, unsettled = lag }) =>
      observeExcess(before, {
        nowMs: at,
        lagBytes: lag,
        unsettledBytes: unsettled,
        budgetBytes: BUDGET,
      }),
    null,
  );
}

test("a backlog that shrinks is given time, one that does not is an excess since its least", () => {
  expect(observed([{ at: 0, lag: 100n }])).toBeNull();
  const growing = [
    { at: 0, lag: 300n },
    { at: 5, lag: 250n },
    { at: 10, lag: 260n },
    { at: 15, lag: 400n },
  ];
  expect(observed(growing)).toMatchObject({ sinceMs: 5, leastBytes: 250n });
  expect(observed([...growing, { at: 20, lag: 100n }])).toBeNull();
});

test("a detour that is full is given time while checkpoints catch up with it", () => {
  const full = [
    { at: 0, lag: 300n, unsettled: 900n },
    { at: 5, lag: 310n, unsettled: 910n },
    { at: 10, lag: 320n, unsettled: 800n },
  ];
  expect(observed(full)).toMatchObject({ sinceMs: 10 });
});

test("a detour begins when patience is over, for a slot that is known to be ours", () => {
  expect(verdict({ excess: LONG })).toBe("begin");
  expect(verdict({ excess: LONG, nowMs: PATIENCE_MS - 1 })).toBe("go-on");
  expect(verdict({})).toBe("go-on");
  expect(verdict({ excess: LONG, mayDetour: false })).toBe("stop");
  expect(verdict({ excess: LONG, mayDetour: false, lastResort: "wait" })).toBe("wait");
});

test("a detour ends once what it keeps from the server fits into half the budget", () => {
  expect(verdict({ phase: "recording", unsettledBytes: 50n })).toBe("go-on");
  expect(verdict({ phase: "recording", unsettledBytes: 49n })).toBe("end");
  expect(verdict({ phase: "ending", unsettledBytes: 0n })).toBe("go-on");
});

test("a detour without room stops or waits, and ends where everything in it is read", () => {
  const full = { phase: "recording", excess: LONG } as const;
  expect(verdict(full)).toBe("stop");
  expect(verdict({ ...full, lastResort: "wait" })).toBe("wait");
  expect(verdict({ ...full, isFullAndRead: true })).toBe("end");
});

test("a detour that ends goes on recording when the slot keeps too much again", () => {
  expect(verdict({ phase: "ending", excess: LONG })).toBe("begin");
});
