import { Redis } from "ioredis";
import { expect, onTestFinished, test } from "vitest";
import { redisConnect } from "../../src/checkpoint/redis/redis-client.js";
import { RedisCheckpointStore } from "../../src/checkpoint/redis/redis-store.js";
import { startRedis } from "../../src/cli/embedded/redis-server.js";
import { ManualClock } from "../fixtures/manual-clock.js";
import { eventually } from "../services/eventually.js";
import { startSentinel } from "../services/sentinel.js";

/** A Sentinel that cannot be hurried looks every ten seconds, and demotes after eight more. */
const withinMs = 60_000;
const timeout = 120_000;
const NAME = "checkpoints";
const at = (lsn: bigint) => ({ systemId: "7", timeline: 1, lsn });
const block = (text: string) => {
  return { operator: "w", block: 0, bytes: new TextEncoder().encode(text) };
};

async function node() {
  const server = await startRedis({
    // A replica is synchronised at once, not when others might have joined it.
    settings: { appendfsync: "always", "repl-diskless-sync-delay": "0" },
  });
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
async function trio() {
  const [primary, replica] = [await node(), await node()];
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
      const known = JSON.stringify(await sentinel.call("SENTINEL", "REPLICAS", NAME));
      // "ok" is what it has seen of the replica's link to its primary.
      return known.includes(`"${replica.port}"`) && known.includes('"master-link-status","ok"');
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
  // Refused (NOGOODSLAVE) while its last look at the replica is too old.
  const isBegun = async () => (await sentinel.call("SENTINEL", "FAILOVER", NAME)) === "OK";
  await eventually("the failover begins", isBegun, { withinMs });
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
