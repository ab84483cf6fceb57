import { existsSync } from "node:fs";
import { Redis } from "ioredis";
import { describe, expect, onTestFinished, test } from "vitest";
import { startRedis } from "../../src/cli/embedded/redis-server.js";
import { ownRedis, useRedis } from "../services/redis.js";
import { becomes, isListening, startElsewhere } from "./orphan.js";

function connectTo(url: string): Redis {
  const client = new Redis(url);
  client.on("error", () => {});
  onTestFinished(() => client.disconnect());
  return client;
}

describe("a Redis of our own", async () => {
  const server = await ownRedis({ settings: { appendfsync: "always" } });

  test("keeps an append-only file and takes settings", async () => {
    const client = connectTo(server.url);
    expect(await client.config("GET", "appendonly")).toEqual(["appendonly", "yes"]);
    expect(await client.config("GET", "appendfsync")).toEqual(["appendfsync", "always"]);
  });

  test("keeps its keys over a restart and over a kill", async () => {
    await connectTo(server.url).set("kept", "1");
    await server.restart();
    await connectTo(server.url).set("survived", "2");
    await server.kill();
    expect(server.isRunning()).toBe(false);
    expect(await isListening(server.url)).toBe(false);
    await server.start();
    expect(await connectTo(server.url).mget("kept", "survived")).toEqual(["1", "2"]);
  });
});

test("closing a temporary server removes its folder", async () => {
  const server = await startRedis();
  await server.close();
  expect(existsSync(server.dataDir)).toBe(false);
  expect(await isListening(server.url)).toBe(false);
});

test("a temporary server is gone soon after its parent was killed", async () => {
  const orphan = await startElsewhere("redis");
  expect(await isListening(orphan.url)).toBe(true);
  await orphan.killParent();
  expect(await becomes(async () => !(await isListening(orphan.url)))).toBe(true);
  expect(await becomes(() => !existsSync(orphan.dataDir))).toBe(true);
});

test("the shared server gives each test file a prefix", async () => {
  const { url, prefix } = await useRedis();
  expect(await connectTo(url).set(`${prefix}a`, "1")).toBe("OK");
});
