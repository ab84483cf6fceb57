import { expect } from "vitest";
import type { CheckpointStore } from "../../src/core/checkpoint-store.js";
import type { StateBlock } from "../../src/core/operator.js";
import type { Position } from "../../src/core/position.js";

/** Makes one more store of the same pipeline, as the next process would. */
export type MakeStore = () => CheckpointStore;

const at = (lsn: bigint, systemId = "7000000000000000001"): Position => ({
  systemId,
  timeline: 3,
  lsn,
});

const block = (operator: string, number: number, text: string): StateBlock => ({
  operator,
  block: number,
  bytes: new TextEncoder().encode(text),
});

async function opened(make: MakeStore): Promise<CheckpointStore> {
  const store = make();
  await store.open();
  return store;
}

async function contents(make: MakeStore): Promise<{ position: Position; blocks: string[] }> {
  const store = await opened(make);
  const { position, blocks } = await store.load();
  await store.close();
  const lines = blocks.map((b) => `${b.operator}/${b.block} ${new TextDecoder().decode(b.bytes)}`);
  return { position, blocks: lines.sort() };
}

/** What every checkpoint store does, by title. Each case has a pipeline of its own. */
export const checkpointStoreCases: Readonly<Record<string, (make: MakeStore) => Promise<void>>> = {
  "open is null while nothing is stored": async (make) => {
    const store = make();
    expect(await store.open()).toBeNull();
    await store.close();
  },

  "the intent to create the slot survives without a position": async (make) => {
    const store = await opened(make);
    await store.recordBirth();
    await store.recordBirth();
    await store.close();
    const next = make();
    expect(await next.open()).toEqual({ position: null, epoch: 0, earlier: [] });
    await next.close();
  },

  "recording a birth leaves a checkpoint as it is": async (make) => {
    const store = await opened(make);
    await store.claim(4, at(100n));
    await store.recordBirth();
    await store.close();
    const next = make();
    expect(await next.open()).toEqual({ position: at(100n), epoch: 4, earlier: [] });
    await next.close();
  },

  "the first claim records its position, later ones keep it": async (make) => {
    const store = await opened(make);
    await store.recordBirth();
    await store.claim(1, at(100n));
    await store.claim(7, at(999n));
    expect(await store.load()).toEqual({ position: at(100n), blocks: [], passedOver: [] });
    await store.close();
    const next = make();
    expect(await next.open()).toEqual({ position: at(100n), epoch: 7, earlier: [] });
    await next.close();
  },

  "the header can be read again after another instance moved it": async (make) => {
    const [waiting, running] = await Promise.all([opened(make), opened(make)]);
    expect(await waiting.readHeader()).toBeNull();
    await running.claim(1, at(100n));
    await running.save({ epoch: 1, position: at(250n), blocks: [] });
    expect(await waiting.readHeader()).toMatchObject({ position: at(250n), epoch: 1 });
    await Promise.all([waiting.close(), running.close()]);
  },

  "a claim with an equal or smaller epoch is fenced": async (make) => {
    const store = await opened(make);
    await store.claim(5, at(100n));
    const other = await opened(make);
    await expect(other.claim(5, at(100n))).rejects.toMatchObject({ code: "FENCED" });
    await expect(other.claim(4, at(100n))).rejects.toMatchObject({ code: "FENCED" });
    await store.save({ epoch: 5, position: at(101n), blocks: [] });
    await Promise.all([store.close(), other.close()]);
  },

  "of two claims of one epoch exactly one wins": async (make) => {
    const stores = await Promise.all([opened(make), opened(make), opened(make)]);
    const claims = await Promise.allSettled(stores.map((store) => store.claim(1, at(100n))));
    expect(claims.filter(({ status }) => status === "fulfilled")).toHaveLength(1);
    const winner = claims.findIndex(({ status }) => status === "fulfilled");
    await stores[winner]?.save({ epoch: 1, position: at(200n), blocks: [] });
    await Promise.all(stores.map((store) => store.close()));
  },

  "a save by an epoch that lost the claim is fenced and changes nothing": async (make) => {
    const old = await opened(make);
    await old.claim(1, at(100n));
    await old.save({ epoch: 1, position: at(200n), blocks: [block("w", 0, "one")] });
    const young = await opened(make);
    await young.claim(2, at(100n));
    const late = { epoch: 1, position: at(300n), blocks: [block("w", 0, "stale")] };
    await expect(old.save(late)).rejects.toMatchObject({ code: "FENCED" });
    expect(await contents(make)).toEqual({ position: at(200n), blocks: ["w/0 one"] });
    await Promise.all([old.close(), young.close()]);
  },

  "dirty blocks replace those of the same operator and number, others stay": async (make) => {
    const store = await opened(make);
    await store.claim(1, at(100n));
    const first = [block("w", 0, "a"), block("w", 1, "b"), block("s", -1, "c")];
    await store.save({ epoch: 1, position: at(200n), blocks: first });
    await store.save({ epoch: 1, position: at(300n), blocks: [block("w", 1, "B")] });
    const blocks = ["s/-1 c", "w/0 a", "w/1 B"];
    expect(await contents(make)).toEqual({ position: at(300n), blocks });
    await store.close();
  },

  "an empty block takes the one of its name away, and may come back": async (make) => {
    const store = await opened(make);
    await store.claim(1, at(100n));
    const first = [block("w", 0, "a"), block("w", 128, "a+"), block("v", 128, "b")];
    await store.save({ epoch: 1, position: at(200n), blocks: first });
    const second = [block("w", 128, ""), block("w", 0, "A"), block("s", 7, "")];
    await store.save({ epoch: 1, position: at(300n), blocks: second });
    const without = ["v/128 b", "w/0 A"];
    expect(await contents(make)).toEqual({ position: at(300n), blocks: without });
    await store.save({ epoch: 1, position: at(400n), blocks: [block("w", 128, "A+")] });
    const again = ["v/128 b", "w/0 A", "w/128 A+"];
    expect(await contents(make)).toEqual({ position: at(400n), blocks: again });
    await store.close();
  },

  "a save without blocks moves the position, also to where it stands": async (make) => {
    const store = await opened(make);
    await store.claim(1, at(100n));
    await store.save({ epoch: 1, position: at(100n), blocks: [] });
    await store.save({ epoch: 1, position: at(0xffff_ffff_ffff_ffffn), blocks: [] });
    expect((await contents(make)).position).toEqual(at(0xffff_ffff_ffff_ffffn));
    await store.close();
  },

  "the position never moves back": async (make) => {
    const store = await opened(make);
    await store.claim(1, at(100n));
    await store.save({ epoch: 1, position: at(300n), blocks: [block("w", 0, "new")] });
    const back = { epoch: 1, position: at(299n), blocks: [block("w", 0, "old")] };
    await expect(store.save(back)).rejects.toThrow();
    expect(await contents(make)).toEqual({ position: at(300n), blocks: ["w/0 new"] });
    await store.close();
  },

  "a position of another system is refused": async (make) => {
    const store = await opened(make);
    await store.claim(1, at(100n));
    const strange = { epoch: 1, position: at(300n, "1"), blocks: [] };
    await expect(store.save(strange)).rejects.toThrow();
    expect((await contents(make)).position).toEqual(at(100n));
    await store.close();
  },

  "blocks hold every byte, and neither side keeps the other's memory": async (make) => {
    const store = await opened(make);
    await store.claim(1, at(100n));
    const pool = Uint8Array.from({ length: 600 }, (_, i) => i % 256);
    const bytes = pool.subarray(100, 500);
    const expected = bytes.slice();
    await store.save({
      epoch: 1,
      position: at(200n),
      blocks: [{ operator: "w", block: 0, bytes }],
    });
    pool.fill(0);
    const [first] = (await store.load()).blocks;
    expect(Uint8Array.from(first?.bytes ?? [])).toEqual(expected);
    first?.bytes.fill(1);
    const [second] = (await store.load()).blocks;
    expect(Uint8Array.from(second?.bytes ?? [])).toEqual(expected);
    await store.close();
  },

  "128 blocks of one save come back": async (make) => {
    const store = await opened(make);
    await store.claim(1, at(100n));
    const blocks = Array.from({ length: 128 }, (_, i) =>
      block('window "a".b\'', i, "é".repeat(i + 1)),
    );
    await store.save({ epoch: 1, position: at(200n), blocks });
    const loaded = (await store.load()).blocks;
    expect(loaded).toHaveLength(128);
    expect(new Set(loaded.map((b) => `${b.operator} ${b.block} ${b.bytes.length}`))).toEqual(
      new Set(blocks.map((b) => `${b.operator} ${b.block} ${b.bytes.length}`)),
    );
    await store.close();
  },

  "a checkpoint that is saved or loaded settles": async (make) => {
    const store = await opened(make);
    await store.claim(1, at(100n));
    await store.load();
    await store.settled(100n);
    await store.save({ epoch: 1, position: at(200n), blocks: [block("w", 0, "a")] });
    await store.settled(200n);
    await store.close();
  },

  "a checkpoint beyond the results is refused": async (make) => {
    const store = await opened(make);
    await store.claim(1, at(100n));
    const bounds = { notBefore: 0n, notAfter: 99n };
    await expect(store.load(bounds)).rejects.toMatchObject({ code: "DIVERGED" });
    await store.close();
  },

  "a checkpoint before the beginning of the stream is refused": async (make) => {
    const store = await opened(make);
    await store.claim(1, at(100n));
    const bounds = { notBefore: 101n, notAfter: 200n };
    await expect(store.load(bounds)).rejects.toMatchObject({ code: "SLOT_AHEAD" });
    await store.close();
  },

  "a claim without a position brings none, and the first save position and state": async (make) => {
    const store = await opened(make);
    await store.recordBirth();
    await store.claim(1, null);
    const onlooker = await opened(make);
    expect(await onlooker.readHeader()).toEqual({ position: null, epoch: 1, earlier: [] });
    await expect(onlooker.claim(1, null)).rejects.toMatchObject({ code: "FENCED" });
    await store.save({ epoch: 1, position: at(100n), blocks: [block("w", 0, "a")] });
    await store.settled(100n);
    await store.save({ epoch: 1, position: at(200n), blocks: [block("w", 1, "b")] });
    await store.settled(200n);
    expect(await contents(make)).toEqual({ position: at(200n), blocks: ["w/0 a", "w/1 b"] });
    await Promise.all([store.close(), onlooker.close()]);
  },

  "a claim without a position forgets the checkpoint and fences who saved it": async (make) => {
    const old = await opened(make);
    await old.claim(3, at(500n));
    await old.save({ epoch: 3, position: at(600n), blocks: [block("w", 0, "old")] });
    const young = await opened(make);
    await young.claim(4, null);
    const late = { epoch: 3, position: at(700n), blocks: [block("w", 0, "stale")] };
    await expect(old.save(late)).rejects.toMatchObject({ code: "FENCED" });
    expect(await young.readHeader()).toEqual({ position: null, epoch: 4, earlier: [] });
    const younger = await opened(make);
    await younger.claim(5, null);
    const first = { epoch: 4, position: at(100n, "8"), blocks: [block("w", 0, "half")] };
    await expect(young.save(first)).rejects.toMatchObject({ code: "FENCED" });
    await younger.save({ epoch: 5, position: at(100n, "8"), blocks: [block("v", 0, "new")] });
    await younger.settled(100n);
    expect(await contents(make)).toEqual({ position: at(100n, "8"), blocks: ["v/0 new"] });
    await Promise.all([old.close(), young.close(), younger.close()]);
  },

  "reset forgets everything, and the next run starts from nothing": async (make) => {
    const store = await opened(make);
    await store.claim(9, at(100n));
    await store.save({ epoch: 9, position: at(200n), blocks: [block("w", 0, "a")] });
    await store.reset();
    await store.close();
    const next = make();
    expect(await next.open()).toBeNull();
    await next.claim(1, at(50n));
    expect(await next.load()).toEqual({ position: at(50n), blocks: [], passedOver: [] });
    await next.close();
  },
};
