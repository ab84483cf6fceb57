import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { StateBlock } from "../../src/core/operator.js";
import { GroupTable, KEY_GROUPS } from "../../src/state/group-table.js";
import { finished, KeyedStep, StoredBlocks } from "./keyed-step.js";

/** Enough that a few slots are worth a delta. */
const PADDING = { padding: 300 };

/** Names of keys in two of the key groups. */
const NAMES = ((): string[] => {
  const table = new GroupTable(() => {});
  const names = Array.from({ length: 8000 }, (_, i) => `k${i}`);
  return names.filter((name) => {
    table.beginKey();
    table.addText(name);
    return table.keyGroupOf(table.slot(0)) % 64 === 5;
  });
})();

const name = fc.nat(80).map((i) => NAMES[i] ?? "");
const change = fc.oneof(
  {
    weight: 20,
    arbitrary: fc.record({ op: fc.constant("add" as const), name, amount: fc.nat(9) }),
  },
  { weight: 10, arbitrary: fc.record({ op: fc.constant("drop" as const), name }) },
  { weight: 1, arbitrary: fc.record({ op: fc.constant("window" as const), at: fc.nat(2) }) },
);
type Change = typeof change extends fc.Arbitrary<infer T> ? T : never;
const few = fc.array(change, { maxLength: 12 });
const round = fc.record({
  before: few,
  between: fc.array(few, { maxLength: 6 }),
  isRestarted: fc.boolean(),
});

function apply(step: KeyedStep, changes: readonly Change[]): void {
  for (const one of changes) {
    if (one.op === "add") step.add(one.name, one.amount % 3, one.amount);
    else if (one.op === "drop") step.drop(one.name, one.name.length % 3);
    else step.keyed.removeWindow(one.at);
  }
}

function filled(): { step: KeyedStep; store: StoredBlocks } {
  const step = new KeyedStep(PADDING);
  for (const [i, key] of NAMES.entries()) step.add(key, i % 3, i);
  const store = new StoredBlocks();
  store.save(step.save());
  return { step, store };
}

const isDelta = ({ block }: StateBlock): boolean => block >= KEY_GROUPS;
const sizeOf = (blocks: Iterable<StateBlock>): number =>
  [...blocks].reduce((sum, { bytes }) => sum + bytes.length, 0);

test("base and deltas hold the state of the moment, whatever happens between the pieces", () => {
  let deltas = 0;
  fc.assert(
    fc.property(fc.array(round, { minLength: 1, maxLength: 12 }), (rounds) => {
      let { step, store } = filled();
      for (const { before, between, isRestarted } of rounds) {
        apply(step, before);
        const expected = step.contents;
        const snapshot = step.state.snapshot();
        for (const changes of between) {
          apply(step, changes);
          snapshot.advance();
        }
        const blocks = finished(snapshot);
        deltas += blocks.filter(isDelta).length;
        store.save(blocks);
        const restored = store.restored(PADDING);
        expect(restored.contents).toEqual(expected);
        if (isRestarted) step = restored;
      }
    }),
    { numRuns: 200 },
  );
  expect(deltas).toBeGreaterThan(400);
});

describe("of a large state", () => {
  const KEYS = 60_000;

  function large(): KeyedStep {
    const step = new KeyedStep();
    for (let k = 0; k < KEYS; k++) step.add(`customer ${k}`, 0, 1);
    return step;
  }

  test("a hundredth that changed takes a twentieth on average, and never most of it", () => {
    const step = large();
    const store = new StoredBlocks();
    store.save(step.save());
    const whole = sizeOf(store.blocks.values());
    const shares: number[] = [];
    for (let round = 0; round < 100; round++) {
      for (let k = round; k < KEYS; k += 100) step.add(`customer ${k}`, 0, 1);
      const blocks = step.save();
      store.save(blocks);
      shares.push(sizeOf(blocks) / whole);
      expect(sizeOf(store.blocks.values())).toBeLessThan(whole * 1.6);
    }
    expect(shares.reduce((sum, share) => sum + share) / 100).toBeLessThan(0.08);
    expect(Math.max(...shares)).toBeLessThan(0.2);
    expect(store.restored().contents).toEqual(step.contents);
  });

  test("one key that changes for ever takes a bounded chain", () => {
    const step = large();
    const store = new StoredBlocks();
    store.save(step.save());
    const blocks = store.blocks.size;
    for (let round = 0; round < 200; round++) {
      step.add("customer 7", 0, 1);
      const saved = step.save();
      expect(saved.filter(({ bytes }) => bytes.length > 0)).toHaveLength(1);
      store.save(saved);
      expect(store.blocks.size - blocks).toBeLessThanOrEqual(24);
    }
    expect(store.restored().contents).toEqual(step.contents);
  });

  test("what changed for the most part is written whole", () => {
    const step = large();
    step.save();
    for (let k = 0; k < KEYS; k += 2) step.add(`customer ${k}`, 0, 1);
    for (let k = 1; k < KEYS; k += 10) step.drop(`customer ${k}`, 0);
    const blocks = step.save();
    expect(blocks.filter(isDelta)).toEqual([]);
    expect(blocks).toHaveLength(KEY_GROUPS);
  });

  test("what changes after a restore is in the next checkpoint, wherever it lies", () => {
    const store = new StoredBlocks();
    store.save(large().save());
    const step = store.restored();
    for (let k = 0; k < KEYS; k += 500) step.add(`customer ${k}`, 0, 1);
    for (let k = 1; k < KEYS; k += 500) step.drop(`customer ${k}`, 0);
    const blocks = step.save();
    expect(blocks.every(isDelta)).toBe(true);
    store.save(blocks);
    expect(store.restored().contents).toEqual(step.contents);
  });

  test("keys that come and go between two checkpoints leave nothing", () => {
    const step = large();
    step.save();
    for (let k = 0; k < 5000; k++) {
      step.add(`guest ${k}`, 0, 1);
      step.drop(`guest ${k}`, 0);
    }
    expect(step.save()).toEqual([]);
  });
});

describe("a chain", () => {
  /** A state with two deltas in each of two groups. */
  function chained(): StoredBlocks {
    const { step, store } = filled();
    for (let round = 0; round < 2; round++) {
      for (const key of NAMES.slice(0, 12)) step.add(key, 0, 1);
      store.save(step.save());
    }
    return store;
  }

  test.each<[string, (blocks: Map<number, StateBlock>, group: number) => void]>([
    ["its base is missing", (blocks, group) => blocks.delete(group)],
    ["a delta is missing", (blocks, group) => blocks.delete(group + KEY_GROUPS)],
    [
      "a delta is in another one's place",
      (blocks, group) => {
        const { bytes } = blocks.get(group + KEY_GROUPS) as StateBlock;
        blocks.set(group, { operator: "totals", block: group, bytes });
      },
    ],
    [
      "its base is of another time",
      (blocks, group) => {
        const { step } = filled();
        step.add(NAMES[0] ?? "", 1, 77);
        for (const key of NAMES) step.add(key, 2, 1);
        const base = step.save().find(({ block }) => block === group) as StateBlock;
        blocks.set(group, base);
      },
    ],
  ])("is refused when %s", (_, harm) => {
    const { blocks } = chained();
    const group = [...blocks.keys()].find((number) => number >= 2 * KEY_GROUPS);
    expect(group).toBeDefined();
    harm(blocks, (group as number) % KEY_GROUPS);
    const state = new KeyedStep(PADDING).state;
    expect(() => state.restore([...blocks.values()])).toThrow(
      expect.objectContaining({ code: "CHECKPOINT_CORRUPT" }),
    );
  });
});
