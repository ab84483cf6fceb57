import { Redis } from "ioredis";
import { expect, onTestFinished, test } from "vitest";
import { redisConnect } from "../../src/checkpoint/redis/redis-client.js";
import { RedisCheckpointStore } from "../../src/checkpoint/redis/redis-store.js";
import { startRedis } from "../../src/cli/embedded/redis-server.js";
import { ManualClock } from "../fixtures/manual-clock.js";
import { eventually } from "../services/eventually.js";
import { startSentinel } from "../services/sentinel.js";

/** A Sentinel looks every ten seconds, and demotes an old primary only after eight. */
const withinMs = 60_000;
const timeout = 120_000;
const NAME = "checkpoints";
const at = (lsn: bigint) => ({ systemId: "7", timeline: 1, lsn });
const block = (text: string) => {
  return { operator: "w", block: 0, bytes: new TextEncoder().encode(text) };
};

async function node(settings: Readonly<Record<string, string>>) {
  const server = await startRedis({ settings: { appendfsync: "always", ...settings } });
  const admin = new Redis(server.url, { connectionName: "admin" });
  admin.on("error", () => {});
  onTestFinished(async () => {
    admin.disconnect();
    await server.close();
  });
  return { ...server, admin };
}

async function says({ port, admin }: Awaited<ReturnType<typeof node>>, fact: string) {
  const isTrue = async () => (await admin.info("replication")).includes(fact);
  await eventually(`${port} says ${fact}`, isTrue, { withinMs });
}

/** A primary, its replica, and a Sentinel that knows both. */
async function trio(settings: Readonly<Record<string, string>> = {}) {
  const [primary, replica] = await Promise.all([node(settings), node(settings)]);
  await replica.admin.replicaof("127.0.0.1", primary.port);
  await says(replica, "master_link_status:up");
  const { port, close } = await startSentinel(NAME, primary.port);
  const sentinel = new Redis({ port });
  onTestFinished(async () => {
    sentinel.disconnect();
    await close();
  });
  await eventually(
    "the Sentinel knows the replica",
    async () => {
      const known = await sentinel.call("SENTINEL", "REPLICAS", NAME);
      return JSON.stringify(known).includes(String(replica.port));
    },
    { withinMs },
  );
  const openStore = async () => {
    const connect = redisConnect({
      url: "redis://checkpoints.invalid",
      nodes: [],
      sentinel: { name: NAME, nodes: ["127.0.0.1:1", `127.0.0.1:${port}`] },
      commandTimeoutMs: 5_000,
      connectionName: "store",
    });
    const store = new RedisCheckpointStore({
      connect,
      pipeline: "shop",
      prefix: "tidemark",
      wish: { durability: null, replicas: 0 },
      delayMs: 3_000,
      waitMs: 1_000,
      clock: new ManualClock(),
    });
    onTestFinished(() => store.close());
    return { store, header: await store.open() };
  };
  const isPrimary = async (server: typeof primary): Promise<boolean> => {
    const address = await sentinel.call("SENTINEL", "GET-MASTER-ADDR-BY-NAME", NAME);
    const isNamed = (address as string[])[1] === String(server.port);
    return isNamed && (await server.admin.info("replication")).includes("role:master");
  };
  return { primary, replica, sentinel, openStore, isPrimary };
}

/** A store that has saved 200 on the primary, and the replica has it, too. */
async function savedOnBoth({ primary, openStore }: Awaited<ReturnType<typeof trio>>) {
  const { store, header } = await openStore();
  expect(header).toBeNull();
  await store.claim(1, at(100n));
  await store.save({ epoch: 1, position: at(200n), blocks: [block("a")] });
  await store.settled(200n);
  expect(await primary.admin.exists("tidemark:{shop}:head")).toBe(1);
  expect(await primary.admin.wait(1, 10_000)).toBe(1);
  return store;
}

test("the primary is found through the Sentinels, also after a failover, and fencing holds", {
  timeout,
}, async () => {
  const servers = await trio();
  const { primary, replica, sentinel, openStore, isPrimary } = servers;
  const old = await savedOnBoth(servers);
  await sentinel.call("SENTINEL", "FAILOVER", NAME);
  await eventually("the replica is promoted", () => isPrimary(replica), { withinMs });
  await says(primary, "role:slave");
  const late = old.save({ epoch: 1, position: at(250n), blocks: [block("late")] });
  await expect(late).rejects.toMatchObject({ code: "CHECKPOINT_FAILED" });

  const young = await openStore();
  expect(young.header).toMatchObject({ epoch: 1, position: at(200n) });
  await young.store.claim(2, at(200n));
  expect((await young.store.load()).blocks).toHaveLength(1);
  await young.store.save({ epoch: 2, position: at(300n), blocks: [block("b")] });
  await young.store.settled(300n);

  const stale = await openStore();
  await expect(stale.store.claim(2, at(300n))).rejects.toMatchObject({ code: "FENCED" });
  expect(await stale.store.readHeader()).toMatchObject({ epoch: 2, position: at(300n) });
});

test("on a primary that was cut off no checkpoint is acknowledged, and it keeps none", {
  timeout,
}, async () => {
  const servers = await trio({ "min-replicas-to-write": "1", "min-replicas-max-lag": "1" });
  const { primary, replica, openStore, isPrimary } = servers;
  const old = await savedOnBoth(servers);
  await cutOff(primary.admin);
  await eventually("the replica is promoted", () => isPrimary(replica), { withinMs });
  expect(await primary.admin.info("replication")).toContain("role:master");
  const cut = old.save({ epoch: 1, position: at(250n), blocks: [block("cut")] });
  await expect(cut).rejects.toMatchObject({
    code: "CHECKPOINT_FAILED",
    message: expect.stringContaining("min-replicas-to-write"),
  });

  await replica.admin.config("SET", "min-replicas-to-write", "0");
  const young = await openStore();
  expect(young.header).toMatchObject({ epoch: 1, position: at(200n) });
  await young.store.claim(2, at(200n));
  await young.store.load();
  await young.store.save({ epoch: 2, position: at(300n), blocks: [block("b")] });
  await young.store.settled(300n);

  await primary.admin.config("SET", "requirepass", "");
  await says(primary, "master_link_status:up");
  const again = old.save({ epoch: 1, position: at(400n), blocks: [block("again")] });
  await expect(again).rejects.toMatchObject({ code: "CHECKPOINT_FAILED" });
  const kept = (await primary.admin.hget("tidemark:{shop}:head", "kept")) ?? "";
  expect(kept.split(" ")[0]).toBe("2.1");
});

/** Only the store and the admin can talk to it: the others lose their connections for good. */
async function cutOff(admin: Redis): Promise<void> {
  await admin.config("SET", "requirepass", "nobody knows");
  for (const line of String(await admin.client("LIST")).split("\n")) {
    const id = /^id=(\d+)/.exec(line)?.[1];
    if (id !== undefined && !/ name=(admin|store) /.test(line))
      await admin.client("KILL", "ID", id);
  }
}
