import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { KEY_GROUPS } from "../../src/state/group-table.js";
import { finished, KeyedStep as Step, StoredBlocks as Store } from "./keyed-step.js";

const key = fc.nat(700).map((k) => `customer ${k}`);
const window = fc.constantFrom(0, 60_000, 120_000, Number.NaN);
const change = fc.oneof(
  {
    weight: 40,
    arbitrary: fc.record({ op: fc.constant("add" as const), key, window, amount: fc.nat(9) }),
  },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("remove" as const), window }) },
  { weight: 9, arbitrary: fc.record({ op: fc.constant("drop" as const), key, window }) },
  { weight: 2, arbitrary: fc.record({ op: fc.constant("bound" as const), value: fc.nat(5) }) },
);
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;
const changes = fc.array(change, { maxLength: 60, size: "max" });
/** Between two snapshots: changes before it begins, then changes before each piece of it. */
const round = fc.record({
  before: fc.array(change, { maxLength: 900, size: "max" }),
  between: fc.array(changes, { maxLength: 12 }),
});

function apply(step: Step, made: readonly Change[]): void {
  for (const one of made) {
    if (one.op === "add") step.add(one.key, one.window, one.amount);
    else if (one.op === "remove") step.keyed.removeWindow(one.window);
    else if (one.op === "drop") step.drop(one.key, one.window);
    else step.bound.value = one.value;
  }
}

describe("a snapshot", () => {
  test("holds the state of the moment it began, whatever happens between its pieces", () => {
    fc.assert(
      fc.property(fc.array(round, { minLength: 1, maxLength: 4 }), (rounds) => {
        const step = new Step();
        const store = new Store();
        for (const { before, between } of rounds) {
          apply(step, before);
          const expected = step.contents;
          const snapshot = step.state.snapshot();
          for (const made of between) {
            apply(step, made);
            snapshot.advance();
          }
          store.save(finished(snapshot));
          expect(store.restored().contents).toEqual(expected);
        }
      }),
      { numRuns: 150 },
    );
  });

  test("takes what changed while it was under way into the next one", () => {
    const step = new Step();
    const store = new Store();
    for (let k = 0; k < 2000; k++) step.add(`${k}`, 0, 1);
    const snapshot = step.state.snapshot();
    for (let k = 0; k < 2000; k += 7) step.add(`${k}`, 0, 1);
    while (snapshot.advance());
    store.save(snapshot.blocks);
    const next = step.state.snapshot();
    while (next.advance());
    store.save(next.blocks);
    expect(store.restored().contents).toEqual(step.contents);
  });

  test("holds only the key groups that changed, and nothing when nothing did", () => {
    const step = new Step();
    for (let k = 0; k < 5000; k++) step.add(`${k}`, 0, 1);
    const groupsOf = (): number[] => {
      const snapshot = step.state.snapshot();
      while (snapshot.advance());
      return snapshot.blocks.map(({ block }) => block);
    };
    expect(groupsOf()).toHaveLength(KEY_GROUPS + 1);
    step.add("77", 0, 1);
    expect(groupsOf()).toHaveLength(1);
    step.bound.value = 5;
    expect(groupsOf()).toEqual([-1]);
    step.bound.value = 5;
    expect(groupsOf()).toEqual([]);
  });

  test("of a large state takes many pieces, each of a bounded number of slots", () => {
    const step = new Step();
    for (let k = 0; k < 20_000; k++) step.add(`${k}`, 0, 1);
    const snapshot = step.state.snapshot();
    let pieces = 0;
    while (snapshot.advance()) pieces++;
    expect(pieces).toBeGreaterThan(20_000 / 256);
  });

  test("does not begin while another one is under way", () => {
    const step = new Step();
    step.add("a", 0, 1);
    const snapshot = step.state.snapshot();
    expect(() => step.state.snapshot()).toThrow("invariant broken");
    while (snapshot.advance());
    step.state.snapshot();
  });
});

test("the first snapshot names a step that remembers nothing yet", () => {
  const step = new Step();
  const snapshot = step.state.snapshot();
  while (snapshot.advance());
  expect(snapshot.blocks.map(({ block }) => block)).toEqual([-1]);
  const restored = new Step();
  restored.state.restore(snapshot.blocks);
  const next = restored.state.snapshot();
  while (next.advance());
  expect(next.blocks).toEqual([]);
});

test("state saved under other facts does not fit", () => {
  const step = new Step();
  step.add("a", 0, 1);
  const snapshot = step.state.snapshot();
  while (snapshot.advance());
  const other = new Step({ facts: { keys: "k, l" } });
  for (const block of snapshot.blocks) {
    expect(step.state.differences(block)).toEqual([]);
    expect(other.state.differences(block)).toEqual(['keys: was "k", is "k, l"']);
  }
  expect(() => other.state.restore(snapshot.blocks)).toThrow("invariant broken");
});
