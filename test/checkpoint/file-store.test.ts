import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { CheckpointFolder } from "../../src/checkpoint/file/checkpoint-folder.js";
import { FileCheckpointStore } from "../../src/checkpoint/file/file-store.js";
import type { Position } from "../../src/core/position.js";
import { generationCases } from "../conformance/checkpoint-generations.js";
import { checkpointStoreCases } from "../conformance/checkpoint-store.js";

const at = (lsn: bigint): Position => ({ systemId: "7", timeline: 1, lsn });
const block = (number: number, bytes: Uint8Array) => ({ operator: "w", block: number, bytes });

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "tidemark-checkpoint-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  return join(folder, "shop");
}

const storeIn = (folder: string) => new FileCheckpointStore(new CheckpointFolder(folder), "shop");

/** The newest file of a kind, by its epoch and sequence. */
function newest(folder: string, kind: "segment" | "generation"): string {
  const order = (name: string): number[] => name.split("-").slice(1, 3).map(Number);
  const names = readdirSync(folder).filter((name) => name.startsWith(`${kind}-`));
  names.sort((a, b) => {
    const [[epochA = 0, a2 = 0], [epochB = 0, b2 = 0]] = [order(a), order(b)];
    return epochA - epochB || a2 - b2;
  });
  return join(folder, names.at(-1) ?? "");
}

function flipByte(path: string): void {
  const bytes = readFileSync(path);
  const last = bytes.length - 1;
  bytes[last] = (bytes[last] ?? 0) ^ 1;
  writeFileSync(path, bytes);
}

describe("the checkpoint store in files", () => {
  test.each(Object.entries(checkpointStoreCases))("%s", async (_, run) => {
    const folder = temporaryFolder();
    await run(() => storeIn(folder));
  });

  test.each(Object.entries(generationCases))("%s", async (_, run) => {
    const folder = temporaryFolder();
    await run({
      make: () => storeIn(folder),
      makeDying: () =>
        new FileCheckpointStore(new CheckpointFolder(folder), "shop", (name) => {
          if (name === "checkpoint-staged") throw new Error("died");
          return undefined;
        }),
      damageNewest: async () => flipByte(newest(folder, "segment")),
      storedBytes: async () => {
        const segments = readdirSync(folder).filter((name) => name.startsWith("segment-"));
        return segments.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
      },
    });
  });

  async function twoSaves(folder: string): Promise<void> {
    const store = storeIn(folder);
    await store.open();
    await store.claim(1, at(100n));
    await store.save({ epoch: 1, position: at(200n), blocks: [block(0, Uint8Array.of(2))] });
    await store.save({ epoch: 1, position: at(300n), blocks: [block(0, Uint8Array.of(3))] });
  }

  test.each<[string, (bytes: Buffer) => Buffer]>([
    ["empty", () => Buffer.alloc(0)],
    ["cut short", (bytes) => bytes.subarray(0, bytes.length - 1)],
    ["zeroed, as after a crash of the machine", (bytes) => Buffer.alloc(bytes.length)],
    [
      "of a later format",
      (bytes) => Buffer.from(bytes.toString().replace("checkpoint 2", "checkpoint 3")),
    ],
  ])("a manifest that is %s is refused by name, or passed over", async (_, damage) => {
    const folder = temporaryFolder();
    await twoSaves(folder);
    const path = newest(folder, "generation");
    writeFileSync(path, damage(readFileSync(path)));
    const store = storeIn(folder);
    expect((await store.open())?.position).toEqual(at(300n));
    const tooLate = { notBefore: 300n, notAfter: 300n };
    await expect(store.load(tooLate)).rejects.toMatchObject({ code: "CHECKPOINT_CORRUPT" });
    const { position, passedOver } = await store.load({ notBefore: 200n, notAfter: 300n });
    expect(position).toEqual(at(200n));
    expect(passedOver[0]?.message).toContain(path.split("/").at(-1));
  });

  test("a folder that was copied from another pipeline is refused by name", async () => {
    const folder = temporaryFolder();
    await twoSaves(folder);
    const store = new FileCheckpointStore(new CheckpointFolder(folder), "other");
    await store.open();
    await expect(store.load()).rejects.toMatchObject({
      code: "CHECKPOINT_CORRUPT",
      message: expect.stringContaining("it belongs to pipeline shop"),
    });
  });

  test("an instance that wakes up between its last check and the switch is not seen", async () => {
    const folder = temporaryFolder();
    let wake: () => void = () => {};
    const asleep = new Promise<void>((resolve) => {
      wake = resolve;
    });
    let isAsleep: () => void = () => {};
    const fellAsleep = new Promise<void>((resolve) => {
      isAsleep = resolve;
    });
    const old = new FileCheckpointStore(new CheckpointFolder(folder), "shop", (name) => {
      if (name !== "checkpoint-staged") return undefined;
      isAsleep();
      return asleep;
    });
    await old.open();
    await old.claim(1, at(100n));
    const saving = old.save({ epoch: 1, position: at(900n), blocks: [block(0, Uint8Array.of(9))] });
    saving.catch(() => {});
    await fellAsleep;
    const young = storeIn(folder);
    await young.open();
    await young.claim(2, at(100n));
    wake();
    await expect(saving).rejects.toMatchObject({ code: "FENCED" });
    expect((await young.readHeader())?.position).toEqual(at(100n));
    await young.save({ epoch: 2, position: at(200n), blocks: [] });
    await young.settled(200n);
    expect(await storeIn(folder).load()).toMatchObject({ position: at(200n), blocks: [] });
  });

  test("what is collected is never of the save that is under way", async () => {
    const folder = temporaryFolder();
    let during: () => Promise<void> = async () => {};
    const store = new FileCheckpointStore(new CheckpointFolder(folder), "shop", async (name) => {
      if (name === "checkpoint-staged") await during();
    });
    await store.open();
    await store.claim(1, at(100n));
    await store.save({ epoch: 1, position: at(200n), blocks: [block(0, Uint8Array.of(2))] });
    during = () => store.settled(200n);
    await store.save({ epoch: 1, position: at(300n), blocks: [block(0, Uint8Array.of(3))] });
    expect((await storeIn(folder).load()).position).toEqual(at(300n));
    await store.settled(300n);
    expect((await store.readHeader())?.earlier).toEqual([at(200n)]);
    await store.close();
  });

  test("blocks that stay while all others change do not keep the garbage around them", async () => {
    const folder = temporaryFolder();
    const store = storeIn(folder);
    await store.open();
    await store.claim(1, at(100n));
    const big = new Uint8Array(300_000);
    // Each round leaves one block behind that nothing changes any more.
    for (let round = 0; round < 40; round++) {
      const blocks = [
        block(round, Uint8Array.of(round)),
        ...[100, 101, 102].map((n) => block(n, big)),
      ];
      const position = at(200n + BigInt(round));
      await store.save({ epoch: 1, position, blocks });
      await store.settled(position.lsn);
    }
    const files = readdirSync(folder).filter((name) => name.startsWith("segment-"));
    const bytes = files.reduce((sum, name) => sum + statSync(join(folder, name)).size, 0);
    expect(bytes).toBeLessThan(6_000_000);
    expect((await store.load()).blocks).toHaveLength(43);
  });

  test("what a crash left half-written is removed by the next run", async () => {
    const folder = temporaryFolder();
    await twoSaves(folder);
    writeFileSync(join(folder, "tmp-0123"), "half");
    const store = storeIn(folder);
    await store.open();
    await store.claim(2, at(300n));
    expect(readdirSync(folder)).not.toContain("tmp-0123");
  });

  test("a folder that cannot be written is refused with the way out", async () => {
    const folder = temporaryFolder();
    writeFileSync(folder, "a file in its place");
    const store = storeIn(folder);
    await expect(store.open()).rejects.toMatchObject({
      code: "CHECKPOINT_REFUSED",
      message: expect.stringContaining("correct file({ dir }) or its rights"),
    });
  });
});
