import { Redis } from "ioredis";
import { afterAll, describe, expect, test } from "vitest";
import { redisConnect } from "../../src/checkpoint/redis/redis-client.js";
import type { RedisConnect } from "../../src/checkpoint/redis/redis-session.js";
import {
  RedisCheckpointStore,
  type RedisStoreOptions,
} from "../../src/checkpoint/redis/redis-store.js";
import type { Position } from "../../src/core/position.js";
import { generationCases } from "../conformance/checkpoint-generations.js";
import { checkpointStoreCases } from "../conformance/checkpoint-store.js";
import { ManualClock } from "../fixtures/manual-clock.js";
import { settled } from "../fixtures/pipeline-harness.js";
import { ownRedis } from "../services/redis.js";

const server = await ownRedis({ settings: { appendfsync: "always" } });
const admin = new Redis(server.url);
afterAll(() => admin.disconnect());

const target = { nodes: [], sentinel: null, commandTimeoutMs: 5_000, connectionName: "test" };
const connect = redisConnect({ ...target, url: server.url });
const at = (lsn: bigint): Position => ({ systemId: "7", timeline: 1, lsn });
const block = (number: number, text: string) => {
  return { operator: "w", block: number, bytes: new TextEncoder().encode(text) };
};

let made = 0;
const newPipeline = (): string => `p${made++}`;

function storeOf(pipeline: string, changes: Partial<RedisStoreOptions> = {}) {
  return new RedisCheckpointStore({
    connect,
    pipeline,
    prefix: "test",
    wish: { durability: null, replicas: 0 },
    delayMs: 3_000,
    waitMs: 1_000,
    clock: new ManualClock(),
    ...changes,
  });
}

async function claimed(pipeline: string, changes: Partial<RedisStoreOptions> = {}, epoch = 1) {
  const store = storeOf(pipeline, changes);
  await store.open();
  await store.claim(epoch, at(100n));
  return store;
}

/** Ids of the generations on the list, newest first. */
async function listed(pipeline: string): Promise<string[]> {
  const kept = (await admin.hget(`test:{${pipeline}}:head`, "kept")) ?? "";
  return kept.split("\n").map((line) => line.split(" ")[0] ?? "");
}

describe("the checkpoint store in Redis", () => {
  test.each(Object.entries(checkpointStoreCases))("%s", async (_, run) => {
    const pipeline = newPipeline();
    await run(() => storeOf(pipeline));
  });

  test.each(Object.entries(generationCases))("%s", async (_, run) => {
    const pipeline = newPipeline();
    await run({
      make: () => storeOf(pipeline),
      makeDying: () =>
        storeOf(pipeline, {
          failpoint: (name) => {
            if (name === "checkpoint-staged") throw new Error("died");
            return undefined;
          },
        }),
      damageNewest: async () => {
        const [id] = await listed(pipeline);
        const key = `test:{${pipeline}}:segment:${id}`;
        const [field = ""] = await admin.hkeys(key);
        const { length } = (await admin.hget(key, field)) ?? "";
        await admin.hset(key, field, "#".repeat(length));
      },
      storedBytes: async () => {
        let bytes = 0;
        for (const key of await admin.keys(`test:{${pipeline}}:segment:*`)) {
          for (const value of await admin.hvals(key)) bytes += value.length;
        }
        return bytes;
      },
    });
  });

  test("an evicted block of the newest generation is refused by name", async () => {
    const pipeline = newPipeline();
    const store = await claimed(pipeline);
    await store.save({ epoch: 1, position: at(200n), blocks: [block(0, "a")] });
    const [id] = await listed(pipeline);
    await admin.del(`test:{${pipeline}}:segment:${id}`);
    await expect(store.load({ notBefore: 200n, notAfter: 200n })).rejects.toMatchObject({
      code: "CHECKPOINT_CORRUPT",
      message: expect.stringContaining("block 0 of w: it is missing"),
    });
    await store.close();
  });

  test("a switch whose reply was lost has happened, and the next run finds it", async () => {
    const pipeline = newPipeline();
    let losing = false;
    const lossy: RedisConnect = async (key) => {
      const session = await connect(key);
      return {
        ...session,
        send: async (command, ...args) => {
          const reply = await session.send(command, ...args);
          if (losing && command === "EVAL") throw new Error("The reply was lost.");
          return reply;
        },
      };
    };
    const store = await claimed(pipeline, { connect: lossy });
    losing = true;
    const save = { epoch: 1, position: at(200n), blocks: [block(0, "a")] };
    await expect(store.save(save)).rejects.toThrow("The reply was lost.");
    losing = false;
    await store.close();
    const next = await claimed(pipeline, {}, 2);
    expect((await next.load()).position).toEqual(at(200n));
    await next.save({ epoch: 2, position: at(300n), blocks: [] });
    await next.settled(300n);
    expect((await next.load()).blocks).toHaveLength(1);
    await next.close();
  });

  test("a stale switch that arrives late is refused, and its leavings are collected", async () => {
    const pipeline = newPipeline();
    const old = await claimed(pipeline);
    let wake: () => void = () => {};
    let isStaged: () => void = () => {};
    const staged = new Promise<void>((resolve) => {
      isStaged = resolve;
    });
    const frozen = await claimed(
      pipeline,
      {
        failpoint: (name) => {
          if (name !== "checkpoint-staged") return undefined;
          isStaged();
          return new Promise<void>((resolve) => {
            wake = resolve;
          });
        },
      },
      2,
    );
    const saving = frozen.save({ epoch: 2, position: at(900n), blocks: [block(0, "stale")] });
    saving.catch(() => {});
    await staged;
    const young = await claimed(pipeline, {}, 3);
    await young.load();
    wake();
    await expect(saving).rejects.toMatchObject({ code: "FENCED" });
    for (const lsn of [200n, 300n, 400n]) {
      await young.save({ epoch: 3, position: at(lsn), blocks: [block(0, `${lsn}`)] });
      await young.settled(lsn);
    }
    expect(await admin.exists(`test:{${pipeline}}:segment:2.1`)).toBe(0);
    expect(await admin.smembers(`test:{${pipeline}}:ids`)).toEqual(
      expect.arrayContaining(["3.2", "3.3"]),
    );
    expect((await admin.keys(`test:{${pipeline}}:*`)).length).toBeLessThanOrEqual(6);
    await Promise.all([old.close(), frozen.close(), young.close()]);
  });

  test.each<[string, (pipeline: string) => Promise<unknown>]>([
    ["FLUSHALL", (pipeline) => admin.del(`test:{${pipeline}}:head`)],
    ["an older epoch", (pipeline) => admin.hset(`test:{${pipeline}}:head`, "epoch", 0)],
    [
      "an older list of the same epoch",
      async (pipeline) => {
        const head = `test:{${pipeline}}:head`;
        const kept = (await admin.hget(head, "kept")) ?? "";
        await admin.hset(head, "kept", kept.split("\n").slice(1).join("\n"));
      },
    ],
  ])("after %s neither a save nor a settlement passes", async (_, forget) => {
    const pipeline = newPipeline();
    const store = await claimed(pipeline);
    await store.save({ epoch: 1, position: at(200n), blocks: [block(0, "a")] });
    await forget(pipeline);
    await expect(store.settled(200n)).rejects.toMatchObject({ code: "CHECKPOINT_FAILED" });
    const save = store.save({ epoch: 1, position: at(300n), blocks: [] });
    await expect(save).rejects.toMatchObject({
      code: "CHECKPOINT_FAILED",
      message: expect.stringContaining("gone back to an earlier state"),
    });
    await store.close();
  });

  test("generations that become durable at one moment settle one after another", async () => {
    const pipeline = newPipeline();
    const clock = new ManualClock();
    const store = await claimed(pipeline, { clock, wish: { durability: "delay", replicas: 0 } });
    expect(store.settlesLate).toBe(true);
    await store.load();
    const settling: Promise<void>[] = [];
    for (let i = 0; i < 10; i++) {
      const position = at(200n + BigInt(i));
      await store.save({ epoch: 1, position, blocks: [block(0, `${i}`)] });
      settling.push(store.settled(position.lsn));
    }
    const last = settling.splice(-2);
    // Neither two later generations nor three times the delay come for these.
    for (const waiting of last) waiting.catch(() => {});
    // The claim's own and the ten that were saved wait for their time.
    while (clock.pending.length < 11) await settled();
    clock.advance(3_000);
    await Promise.all(settling);
    expect(await listed(pipeline)).toEqual(["1.10", "1.9", "1.8"]);
    await store.close();
    for (const waiting of last) await expect(waiting).rejects.toThrow("was not acknowledged");
  });

  test("blocks of many megabytes go and come in pieces", async () => {
    const pipeline = newPipeline();
    const store = await claimed(pipeline);
    const sizes = [7, 5_000_000, 1, 700_000, 700_000, 700_000, 100_000];
    const blocks = sizes.map((size, i) => {
      return { operator: "w", block: i, bytes: new Uint8Array(size).fill(i) };
    });
    await store.save({ epoch: 1, position: at(200n), blocks });
    const loaded = [...(await store.load()).blocks].sort((a, b) => a.block - b.block);
    expect(loaded.map(({ bytes }) => bytes.length)).toEqual(sizes);
    expect(loaded.every(({ bytes, block: n }) => bytes.every((byte) => byte === n))).toBe(true);
    await store.close();
  });
});
