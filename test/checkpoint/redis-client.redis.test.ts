import { createServer, type Server } from "node:net";
import { Redis } from "ioredis";
import { expect, onTestFinished, test } from "vitest";
import { DurabilityGate } from "../../src/checkpoint/redis/durability-gate.js";
import { redisConnect } from "../../src/checkpoint/redis/redis-client.js";
import { readRedisFacts } from "../../src/checkpoint/redis/redis-facts.js";
import { RedisCheckpointStore } from "../../src/checkpoint/redis/redis-store.js";
import { startRedis } from "../../src/cli/embedded/redis-server.js";
import { ManualClock } from "../fixtures/manual-clock.js";
import { eventually } from "../services/eventually.js";

const target = { nodes: [], sentinel: null, commandTimeoutMs: 5_000, connectionName: "a test" };
const at = (lsn: bigint) => ({ systemId: "7", timeline: 1, lsn });

async function node(settings: Readonly<Record<string, string>>) {
  const server = await startRedis({ settings });
  const admin = new Redis(server.url);
  admin.on("error", () => {});
  onTestFinished(async () => {
    admin.disconnect();
    await server.close();
  });
  return { ...server, admin };
}

test("in a Cluster all keys of a pipeline are on the master of its hash slot", async () => {
  const settings = { "cluster-enabled": "yes", appendfsync: "always" };
  const [a, b] = await Promise.all([node(settings), node(settings)]);
  await a.admin.call("CLUSTER", "ADDSLOTSRANGE", "0", "8191");
  await b.admin.call("CLUSTER", "ADDSLOTSRANGE", "8192", "16383");
  await a.admin.call("CLUSTER", "MEET", "127.0.0.1", String(b.port));
  for (const { admin } of [a, b]) {
    const isWhole = async () => /cluster_state:ok/.test(await admin.cluster("INFO"));
    await eventually("the Cluster is whole", isWhole);
  }
  for (const pipeline of ["shop", "journeys", "alerts"]) {
    const store = new RedisCheckpointStore({
      connect: redisConnect({
        ...target,
        url: "redis://127.0.0.1:1",
        nodes: [`127.0.0.1:${a.port}`],
      }),
      pipeline,
      prefix: "tidemark",
      wish: { durability: null, replicas: 0 },
      delayMs: 3_000,
      waitMs: 1_000,
      clock: new ManualClock(),
    });
    await store.open();
    await store.claim(1, at(100n));
    const blocks = [{ operator: "w", block: 0, bytes: Uint8Array.of(1) }];
    await store.save({ epoch: 1, position: at(200n), blocks });
    await store.settled(200n);
    expect((await store.load()).blocks).toHaveLength(1);
    await store.close();
    const slot = Number(await a.admin.call("CLUSTER", "KEYSLOT", `{${pipeline}}`));
    const [owner, other] = slot < 8192 ? [a, b] : [b, a];
    expect((await owner.admin.keys(`*{${pipeline}}*`)).length).toBeGreaterThan(3);
    expect(await other.admin.keys(`*{${pipeline}}*`)).toEqual([]);
  }
});

test("a wrong password is refused by name; a silent address may pass", async () => {
  const { port, admin } = await node({});
  await admin.config("SET", "requirepass", "right word");
  const wrong = redisConnect({ ...target, url: `redis://:wrong@127.0.0.1:${port}` });
  await expect(wrong("k")).rejects.toMatchObject({ code: "CHECKPOINT_REFUSED" });
  const right = redisConnect({ ...target, url: `redis://:right%20word@127.0.0.1:${port}` });
  await (await right("k")).end();
  const nobody = redisConnect({ ...target, url: "redis://127.0.0.1:1" });
  await expect(nobody("k")).rejects.toMatchObject({
    code: "CHECKPOINT_FAILED",
    message: expect.stringContaining("ECONNREFUSED"),
  });
});

/** A server that speaks RESP and knows WAITAOF, whose numbers a test sets. */
async function fakeRedis(answers: string[], seen: string[]): Promise<string> {
  const bulk = (text: string): string => `$${text.length}\r\n${text}\r\n`;
  const info = bulk(
    ["redis_version:7.2.5", "role:master", "aof_enabled:1", "maxmemory_policy:noeviction"].join(
      "\r\n",
    ),
  );
  const server: Server = createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", (bytes) => {
      for (const request of bytes.toString().split(/(?=\*\d+\r\n)/)) {
        const words = request.split("\r\n").filter((_, i) => i > 0 && i % 2 === 0);
        const command = (words[0] ?? "").toUpperCase();
        if (command === "WAITAOF") seen.push(words.join(" "));
        if (command === "INFO") socket.write(info);
        else if (command === "COMMAND") socket.write("*1\r\n*1\r\n+waitaof\r\n");
        else if (command === "CONFIG") socket.write(`*2\r\n${bulk(words[2] ?? "")}${bulk("no")}`);
        else if (command === "WAITAOF") socket.write(answers.shift() ?? "*2\r\n:0\r\n:0\r\n");
        else socket.write("+OK\r\n");
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  onTestFinished(() => void server.close());
  const address = server.address();
  return `redis://127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
}

test("WAITAOF is asked on the connection until its numbers say that the disk has it", async () => {
  const seen: string[] = [];
  const answers = ["*2\r\n:0\r\n:2\r\n", "*2\r\n:1\r\n:0\r\n", "*2\r\n:1\r\n:2\r\n"];
  const session = await redisConnect({ ...target, url: await fakeRedis(answers, seen) })("k");
  onTestFinished(() => session.end());
  expect(await readRedisFacts(session)).toMatchObject({ hasWaitAof: true, hasAof: true });
  const gate = new DurabilityGate({
    session,
    clock: new ManualClock(),
    durability: "waitaof",
    wish: { durability: "waitaof", replicas: 2 },
    delayMs: 3_000,
    waitMs: 700,
  });
  await gate.follow();
  expect(seen).toEqual(Array(3).fill("WAITAOF 1 2 700"));
});
