import fc from "fast-check";
import { expect, test } from "vitest";
import { GroupTable, KEY_GROUPS } from "../../src/state/group-table.js";

type Key = readonly (string | null)[];

function find(table: GroupTable, key: Key, window: number): number {
  setKey(table, key);
  return table.slot(window);
}

function setKey(table: GroupTable, key: Key): void {
  table.beginKey();
  for (const part of key) {
    if (part === null) table.addNull();
    else {
      const bytes = Buffer.from(`<${part}>`);
      table.addBytes(bytes, 1, bytes.length - 1);
    }
  }
}

/** A table beside the Map that says what it should hold: slot and value by key and window. */
class Pair {
  readonly table: GroupTable;
  readonly model = new Map<string, { slot: number; window: number }>();
  capacity = 0;

  constructor() {
    this.table = new GroupTable((capacity) => {
      expect(capacity).toBeGreaterThan(this.capacity);
      this.capacity = capacity;
    });
  }

  insert(key: Key, window: number): void {
    const name = JSON.stringify([key, Number.isNaN(window) ? "NaN" : window]);
    const slot = find(this.table, key, window);
    const known = this.model.get(name);
    expect(this.table.isNew).toBe(known === undefined);
    if (known === undefined) {
      for (const other of this.model.values()) expect(other.slot).not.toBe(slot);
      this.model.set(name, { slot, window });
    } else expect(slot).toBe(known.slot);
    expect(slot).toBeLessThan(this.table.capacity);
  }

  remove(window: number): void {
    const expected = [...this.model].filter(([, entry]) => Object.is(entry.window, window));
    const freed: number[] = [];
    this.table.removeWindow(window, (slot) => {
      expect(this.table.windowOf(slot)).toBe(window);
      freed.push(slot);
    });
    expect(freed.sort()).toEqual(expected.map(([, entry]) => entry.slot).sort());
    for (const [name] of expected) this.model.delete(name);
  }

  removeOne(key: Key, window: number): void {
    const name = JSON.stringify([key, Number.isNaN(window) ? "NaN" : window]);
    const known = this.model.get(name);
    if (known === undefined) return;
    this.table.remove(known.slot);
    this.model.delete(name);
    setKey(this.table, key);
    expect(this.table.find(window)).toBe(-1);
  }

  check(): void {
    const { table, model } = this;
    expect(table.size).toBe(model.size);
    const windows = new Set([...model.values()].map(({ window }) => window));
    expect(new Set(table.windows())).toEqual(windows);
    for (const { slot, window } of model.values()) {
      expect(table.isUsed(slot)).toBe(true);
      expect(table.windowOf(slot)).toBe(window);
      expect(table.keyGroupOf(slot)).toBeGreaterThanOrEqual(0);
      expect(table.keyGroupOf(slot)).toBeLessThan(KEY_GROUPS);
      table.setKey(table.keyOf(slot).slice());
      expect(table.find(window)).toBe(slot);
      expect(table.slot(window)).toBe(slot);
      expect(table.isNew).toBe(false);
    }
  }
}

const key = fc.array(
  fc.option(fc.string({ unit: fc.constantFrom("a", "b", "\0"), maxLength: 3 })),
  {
    maxLength: 3,
  },
);
const window = fc.constantFrom(0, 60_000, 120_000, -60_000, Number.NaN, 2 ** 50, 7);
const step = fc.oneof(
  { weight: 9, arbitrary: fc.record({ key, window, isRemoved: fc.constant(false) }) },
  { weight: 3, arbitrary: fc.record({ key, window, isRemoved: fc.constant(true) }) },
  {
    weight: 1,
    arbitrary: fc.record({ key: fc.constant(null), window, isRemoved: fc.constant(true) }),
  },
);

test("insertions and removals give what a Map gives", () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const pair = new Pair();
      for (const { key: named, window: at, isRemoved } of steps) {
        if (named === null) pair.remove(at);
        else if (isRemoved) pair.removeOne(named, at);
        else pair.insert(named, at);
      }
      pair.check();
    }),
    { numRuns: 300 },
  );
});

test("many keys over many windows, with growth, reuse and compaction of the arena", () => {
  const pair = { table: new GroupTable(() => {}), model: new Map<string, number>() };
  for (let minute = 0; minute < 60; minute++) {
    const at = minute * 60_000;
    for (let k = 0; k < 400; k++) {
      pair.model.set(`${k}/${at}`, find(pair.table, [`customer ${k} of the shop`], at));
    }
    const old = at - 3 * 60_000;
    pair.table.removeWindow(old, () => {});
    for (let k = 0; k < 400; k++) pair.model.delete(`${k}/${old}`);
  }
  expect(pair.table.size).toBe(1200);
  expect(new Set(pair.model.values()).size).toBe(1200);
  for (const [name, slot] of pair.model) {
    const [k, at] = name.split("/");
    expect(find(pair.table, [`customer ${k} of the shop`], Number(at))).toBe(slot);
    expect(pair.table.isNew).toBe(false);
  }
  expect(pair.table.capacity).toBe(2048);
  expect(pair.table.bytes).toBeLessThan(1_000_000);
});

test("the same bytes in other columns are other keys", () => {
  const table = new GroupTable(() => {});
  const keys: Key[] = [["ab", ""], ["a", "b"], ["", "ab"], ["ab"], [null, "ab"], ["ab", null], []];
  expect(new Set(keys.map((parts) => find(table, parts, 0))).size).toBe(keys.length);
});

test("a key longer than the first buffers", () => {
  const table = new GroupTable(() => {});
  const long = "x".repeat(100_000);
  const slot = find(table, [long], 0);
  expect(find(table, [long], 0)).toBe(slot);
  expect(find(table, [`${long}y`], 0)).not.toBe(slot);
  expect(table.keyOf(slot)).toHaveLength(100_003);
});

test("removing a window that is not there frees nothing", () => {
  const table = new GroupTable(() => {});
  find(table, ["a"], 0);
  table.removeWindow(1, () => expect.unreachable());
  expect(table.size).toBe(1);
});

test("keys spread over all key groups", () => {
  const table = new GroupTable(() => {});
  const groups = new Set<number>();
  for (let k = 0; k < 5000; k++) groups.add(table.keyGroupOf(find(table, [String(k)], 0)));
  expect(groups.size).toBe(KEY_GROUPS);
});
