import { expect } from "vitest";
import type { CheckpointStore, LoadedCheckpoint } from "../../src/core/checkpoint-store.js";
import type { StateBlock } from "../../src/core/operator.js";
import type { Position } from "../../src/core/position.js";

/** A store that keeps a generation before the newest, and ways to harm what it keeps. */
export interface GenerationKit {
  /** One more store of the same pipeline, as the next process would make it. */
  make(): CheckpointStore;
  /** Destroys a block that only the newest generation uses. */
  damageNewest(): Promise<void>;
  /** Like `make`, but each save dies when its blocks are written and the switch is not made. */
  makeDying(): CheckpointStore;
  /** Bytes of blocks kept, those that no generation uses included. */
  storedBytes(): Promise<number>;
}

const at = (lsn: bigint): Position => ({ systemId: "7", timeline: 3, lsn });

const block = (number: number, text: string): StateBlock => ({
  operator: "w",
  block: number,
  bytes: new TextEncoder().encode(text),
});

async function opened(make: () => CheckpointStore): Promise<CheckpointStore> {
  const store = make();
  await store.open();
  return store;
}

async function settledSave(store: CheckpointStore, lsn: bigint, blocks: StateBlock[]) {
  await store.save({ epoch: 1, position: at(lsn), blocks });
  await store.settled(lsn);
}

/** 100: nothing; 200: a, b; 300: A, b. */
async function threeGenerations(kit: GenerationKit): Promise<CheckpointStore> {
  const store = await opened(kit.make);
  await store.claim(1, at(100n));
  await settledSave(store, 200n, [block(0, "a"), block(1, "b")]);
  await settledSave(store, 300n, [block(0, "A")]);
  return store;
}

function lines({ position, blocks, passedOver }: LoadedCheckpoint): string[] {
  const texts = blocks.map((b) => `${b.block} ${new TextDecoder().decode(b.bytes)}`).sort();
  return [String(position.lsn), ...texts, ...passedOver.map(({ code }) => code)];
}

const DAMAGED = { code: "CHECKPOINT_CORRUPT" };

/** What every store with two generations does, by title. */
export const generationCases: Readonly<Record<string, (kit: GenerationKit) => Promise<void>>> = {
  "the header names the generation before the newest": async (kit) => {
    const store = await threeGenerations(kit);
    const header = await store.readHeader();
    expect(header).toMatchObject({ position: at(300n), epoch: 1 });
    expect(header?.earlier[0]).toEqual(at(200n));
    await store.close();
  },

  "a damaged newest generation is refused by name where the slot has passed the one before": async (
    kit,
  ) => {
    const store = await threeGenerations(kit);
    await kit.damageNewest();
    const next = await opened(kit.make);
    await next.claim(2, at(300n));
    for (const notBefore of [300n, 201n]) {
      await expect(next.load({ notBefore, notAfter: 400n })).rejects.toMatchObject(DAMAGED);
    }
    await Promise.all([store.close(), next.close()]);
  },

  "a damaged newest generation is replaced by the one before where that loses nothing": async (
    kit,
  ) => {
    const store = await threeGenerations(kit);
    await kit.damageNewest();
    const next = await opened(kit.make);
    expect((await next.readHeader())?.position).toEqual(at(300n));
    await next.claim(2, at(300n));
    const loaded = await next.load({ notBefore: 200n, notAfter: 400n });
    expect(lines(loaded)).toEqual(["200", "0 a", "1 b", "CHECKPOINT_CORRUPT"]);
    await Promise.all([store.close(), next.close()]);
  },

  "after one that stood in, saves go on from there": async (kit) => {
    const store = await threeGenerations(kit);
    await kit.damageNewest();
    const next = await opened(kit.make);
    await next.claim(2, at(300n));
    await next.load({ notBefore: 200n, notAfter: 400n });
    await next.settled(200n);
    await next.save({ epoch: 2, position: at(250n), blocks: [block(1, "B")] });
    await next.settled(250n);
    const last = await opened(kit.make);
    expect(lines(await last.load())).toEqual(["250", "0 a", "1 B"]);
    expect((await last.readHeader())?.earlier[0]).toEqual(at(200n));
    await Promise.all([store.close(), next.close(), last.close()]);
  },

  "who has not claimed reads and moves nothing": async (kit) => {
    const store = await threeGenerations(kit);
    await kit.damageNewest();
    const reader = await opened(kit.make);
    expect(lines(await reader.load({ notBefore: 200n, notAfter: 400n }))[0]).toBe("200");
    expect(await reader.readHeader()).toMatchObject({ position: at(300n), epoch: 1 });
    await Promise.all([store.close(), reader.close()]);
  },

  "a generation beyond the results is passed over for one that is not": async (kit) => {
    const store = await threeGenerations(kit);
    const next = await opened(kit.make);
    const loaded = await next.load({ notBefore: 150n, notAfter: 299n });
    expect(lines(loaded)).toEqual(["200", "0 a", "1 b", "DIVERGED"]);
    await Promise.all([store.close(), next.close()]);
  },

  "a save that dies between its blocks and the switch leaves the old generation": async (kit) => {
    const store = await threeGenerations(kit);
    await store.close();
    const dying = await opened(kit.makeDying);
    await dying.claim(2, at(300n));
    await dying.load();
    const blocks = [block(0, "half"), block(1, "half")];
    await expect(dying.save({ epoch: 2, position: at(400n), blocks })).rejects.toThrow();
    await dying.close();
    const next = await opened(kit.make);
    await next.claim(3, at(300n));
    expect(lines(await next.load())).toEqual(["300", "0 A", "1 b"]);
    await next.save({ epoch: 3, position: at(500n), blocks: [block(1, "c")] });
    await next.settled(500n);
    expect(lines(await next.load())).toEqual(["500", "0 A", "1 c"]);
    await next.close();
  },

  "both kept generations stay whole however often others were collected": async (kit) => {
    const store = await opened(kit.make);
    await store.claim(1, at(100n));
    await settledSave(store, 200n, [block(0, "cold"), block(1, "x"), block(2, "y")]);
    for (let i = 0; i < 12; i++) {
      await settledSave(store, 300n + BigInt(i), [block(1 + (i % 2), `warm ${i}`)]);
    }
    expect(lines(await store.load())).toEqual(["311", "0 cold", "1 warm 10", "2 warm 11"]);
    await kit.damageNewest();
    const next = await opened(kit.make);
    const loaded = await next.load({ notBefore: 310n, notAfter: 400n });
    expect(lines(loaded).slice(0, 4)).toEqual(["310", "0 cold", "1 warm 10", "2 warm 9"]);
    await Promise.all([store.close(), next.close()]);
  },

  "what no kept generation needs is collected": async (kit) => {
    const store = await opened(kit.make);
    await store.claim(1, at(100n));
    await settledSave(store, 200n, [block(0, "cold".repeat(2_500))]);
    for (let i = 0; i < 30; i++) {
      await settledSave(store, 300n + BigInt(i), [block(1, "w".repeat(100_000))]);
    }
    // Two generations of the warm block and one cold block.
    expect(await kit.storedBytes()).toBeLessThan(600_000);
    expect((await store.load()).blocks.map(({ bytes }) => bytes.length).sort()).toEqual([
      10_000, 100_000,
    ]);
    await store.close();
  },

  "generations that settle while the next are saved, and at one moment, harm none": async (kit) => {
    const store = await opened(kit.make);
    await store.claim(1, at(100n));
    await store.load();
    await settledSave(store, 200n, [block(0, "cold"), block(1, "x"), block(2, "y")]);
    const settling: Promise<void>[] = [];
    for (let i = 0; i < 20; i++) {
      const position = at(300n + BigInt(i));
      const saving = store.save({ epoch: 1, position, blocks: [block(1 + (i % 2), `warm ${i}`)] });
      if (i > 0) settling.push(store.settled(position.lsn - 1n));
      await saving;
    }
    await Promise.all([...settling, store.settled(319n)]);
    const next = await opened(kit.make);
    expect(lines(await next.load())).toEqual(["319", "0 cold", "1 warm 18", "2 warm 19"]);
    const before = await next.load({ notBefore: 318n, notAfter: 318n });
    expect(lines(before).slice(0, 4)).toEqual(["318", "0 cold", "1 warm 18", "2 warm 17"]);
    await Promise.all([store.close(), next.close()]);
  },

  "an older instance that wakes up can neither switch nor collect": async (kit) => {
    const old = await threeGenerations(kit);
    const young = await opened(kit.make);
    await young.claim(2, at(300n));
    await young.load();
    await young.save({ epoch: 2, position: at(400n), blocks: [block(1, "young")] });
    const stale = { epoch: 1, position: at(350n), blocks: [block(0, "stale"), block(1, "stale")] };
    await expect(old.save(stale)).rejects.toMatchObject({ code: "FENCED" });
    await young.settled(400n);
    await young.save({ epoch: 2, position: at(500n), blocks: [] });
    const next = await opened(kit.make);
    expect(lines(await next.load())).toEqual(["500", "0 A", "1 young"]);
    await Promise.all([old.close(), young.close(), next.close()]);
  },
};
