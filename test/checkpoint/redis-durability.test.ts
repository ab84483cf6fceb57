import { describe, expect, test } from "vitest";
import { chooseDurability, type DurabilityWish } from "../../src/checkpoint/redis/durability.js";
import { DurabilityGate } from "../../src/checkpoint/redis/durability-gate.js";
import type { RedisFacts } from "../../src/checkpoint/redis/redis-facts.js";
import type { RedisReply, RedisSession } from "../../src/checkpoint/redis/redis-session.js";
import { judgeRedis } from "../../src/cli/check/judge-redis.js";
import { ManualClock } from "../fixtures/manual-clock.js";
import { settled } from "../fixtures/pipeline-harness.js";

const facts: RedisFacts = {
  version: "7.0.15",
  isReplica: false,
  primary: null,
  hasAof: true,
  isAofHealthy: true,
  appendFsync: "everysec",
  skipsFsyncOnRewrite: false,
  delayedFsyncs: 0,
  evictionPolicy: "noeviction",
  maxMemory: 0,
  usedMemory: 1_000_000,
  hasWaitAof: false,
  replicas: [],
};
const any: DurabilityWish = { durability: null, replicas: 0 };

describe("the durability that is used", () => {
  test.each<[string, Partial<RedisFacts>, Partial<DurabilityWish>, string]>([
    ["everysec before 7.2", {}, {}, "delay"],
    ["appendfsync always before 7.2", { appendFsync: "always" }, {}, "always"],
    ["a server with WAITAOF", { hasWaitAof: true }, {}, "waitaof"],
    ["WAITAOF and appendfsync always", { hasWaitAof: true, appendFsync: "always" }, {}, "waitaof"],
    ["a server that hides its configuration", { appendFsync: null }, {}, "delay"],
    ["a wish for less", { hasWaitAof: true }, { durability: "delay" }, "delay"],
    [
      "no wish for any",
      { hasAof: false, evictionPolicy: "allkeys-lru" },
      { durability: "none" },
      "none",
    ],
  ])("with %s", (_, changes, wish, expected) => {
    expect(chooseDurability({ ...facts, ...changes }, { ...any, ...wish })).toBe(expected);
  });

  test.each<[string, Partial<RedisFacts>, Partial<DurabilityWish>, string | null]>([
    ["no append-only file", { hasAof: false }, {}, "CONFIG SET appendonly yes"],
    ["eviction", { evictionPolicy: "allkeys-lru" }, {}, "CONFIG SET maxmemory-policy noeviction"],
    ["appendfsync no", { appendFsync: "no" }, {}, "CONFIG SET appendfsync everysec"],
    [
      "fsync left out during a rewrite",
      { skipsFsyncOnRewrite: true },
      {},
      "CONFIG SET no-appendfsync-on-rewrite no",
    ],
    ["always that is not", {}, { durability: "always" }, "CONFIG SET appendfsync always"],
    [
      "always that cannot be seen",
      { appendFsync: null },
      { durability: "always" },
      "CONFIG SET appendfsync always",
    ],
    ["waitaof before 7.2", {}, { durability: "waitaof" }, null],
    ["replicas without waitaof", {}, { replicas: 1 }, null],
  ])("is refused with %s, with the way out", (_, changes, wish, fix) => {
    const choose = () => chooseDurability({ ...facts, ...changes }, { ...any, ...wish });
    expect(choose).toThrow(expect.objectContaining({ code: "CHECKPOINT_UNSAFE" }));
    expect(choose).toThrow(fix ?? "Choose another durability");
    expect(choose).toThrow('redis({ durability: "none" })');
    const [, finding] = judgeRedis({ ...facts, ...changes }, { ...any, ...wish });
    expect(finding).toMatchObject({ name: "redis durability", verdict: "fail" });
    expect(finding?.fix).toBe(fix ?? undefined);
  });

  test("cannot be had from a replica, whose primary is named", () => {
    const replica = { ...facts, isReplica: true, primary: "10.0.0.1:6379" };
    for (const durability of [null, "none"] as const) {
      expect(() => chooseDurability(replica, { durability, replicas: 0 })).toThrow(
        "read-only replica of 10.0.0.1:6379",
      );
    }
  });
});

describe("the check of a Redis", () => {
  test("warns of short memory and silent replicas, and fails on a broken file", () => {
    const findings = judgeRedis(
      {
        ...facts,
        isAofHealthy: false,
        maxMemory: 1_200_000,
        replicas: [
          { address: "10.0.0.2:6379", lagSeconds: 1 },
          { address: "10.0.0.3:6379", lagSeconds: 60 },
        ],
      },
      any,
    );
    expect(findings.map(({ name, verdict }) => `${name} ${verdict}`)).toEqual([
      "redis version ok",
      "redis durability ok",
      "redis aof fail",
      "redis memory warn",
      "redis replica ok",
      "redis replica warn",
    ]);
  });
});

/** A session that answers as a Redis with these facts would; WAITAOF as scripted. */
class ScriptedRedis implements RedisSession {
  delayedFsyncs = 0;
  appendFsync = "everysec";
  aofEnabled = 1;
  lastWrite = "ok";
  readonly sent: string[] = [];
  readonly waitAof: RedisReply[] = [];

  async send(command: string, ...args: readonly unknown[]): Promise<RedisReply> {
    this.sent.push([command, ...args].join(" "));
    if (command === "INFO") {
      return [
        "redis_version:7.2.0",
        "role:master",
        `aof_enabled:${this.aofEnabled}`,
        `aof_last_write_status:${this.lastWrite}`,
        `aof_delayed_fsync:${this.delayedFsyncs}`,
        "maxmemory_policy:noeviction",
      ].join("\r\n");
    }
    if (command === "CONFIG") {
      return args[1] === "appendfsync"
        ? ["appendfsync", this.appendFsync]
        : [String(args[1]), "no"];
    }
    if (command === "WAITAOF") return this.waitAof.shift() ?? [0, 0];
    return null;
  }

  async end(): Promise<void> {}
}

function gateOn(redis: ScriptedRedis, wish: DurabilityWish) {
  const clock = new ManualClock();
  const durability = wish.durability ?? "none";
  const gate = new DurabilityGate({
    session: redis,
    clock,
    durability,
    wish,
    delayMs: 3_000,
    waitMs: 500,
  });
  const outcomes: string[] = [];
  const follow = (name: string): void => {
    gate.follow().then(
      () => outcomes.push(name),
      (error) => outcomes.push(`${name} ${error.code}`),
    );
  };
  return { gate, clock, outcomes, follow };
}

describe("the gate", () => {
  test("waitaof asks for the fsync and believes only the numbers", async () => {
    const redis = new ScriptedRedis();
    redis.waitAof.push([0, 0], [1, 0], [0, 1], [1, 1]);
    const { outcomes, follow } = gateOn(redis, { durability: "waitaof", replicas: 1 });
    follow("a");
    await settled();
    expect(outcomes).toEqual(["a"]);
    expect(redis.sent).toEqual(Array(4).fill("WAITAOF 1 1 500"));
  });

  test("waitaof gives up when the fsync is never confirmed", async () => {
    const redis = new ScriptedRedis();
    const { outcomes, follow } = gateOn(redis, { durability: "waitaof", replicas: 0 });
    follow("a");
    await settled();
    expect(outcomes).toEqual(["a CHECKPOINT_FAILED"]);
  });

  test.each([
    ["waitaof", false],
    ["always", false],
    ["none", false],
    ["delay", true],
  ] as const)("%s is late: %s", (durability, isLate) => {
    const { gate } = gateOn(new ScriptedRedis(), { durability, replicas: 0 });
    expect(gate.isLate).toBe(isLate);
  });

  test("always passes while the setting stands", async () => {
    const redis = new ScriptedRedis();
    redis.appendFsync = "always";
    const { outcomes, follow } = gateOn(redis, { durability: "always", replicas: 0 });
    follow("a");
    await settled();
    redis.appendFsync = "everysec";
    follow("b");
    await settled();
    expect(outcomes).toEqual(["a", "b CHECKPOINT_UNSAFE"]);
  });

  test("delay waits for its time and two later generations, or three times as long", async () => {
    const { clock, outcomes, follow } = gateOn(new ScriptedRedis(), {
      durability: "delay",
      replicas: 0,
    });
    follow("a");
    follow("b");
    follow("c");
    await settled();
    clock.advance(2_999);
    await settled();
    expect(outcomes).toEqual([]);
    clock.advance(1);
    await settled();
    expect(outcomes).toEqual(["a"]);
    clock.advance(5_999);
    await settled();
    expect(outcomes).toEqual(["a"]);
    follow("d");
    await settled();
    expect(outcomes).toEqual(["a", "b"]);
    clock.advance(1);
    await settled();
    expect(outcomes).toEqual(["a", "b", "c"]);
  });

  test("delay begins again when an fsync was late", async () => {
    const redis = new ScriptedRedis();
    const { clock, outcomes, follow } = gateOn(redis, { durability: "delay", replicas: 0 });
    for (const name of ["a", "b", "c"]) follow(name);
    await settled();
    redis.delayedFsyncs = 1;
    clock.advance(3_000);
    await settled();
    expect(outcomes).toEqual([]);
    clock.advance(3_000);
    await settled();
    expect(outcomes).toEqual(["a"]);
  });

  test.each<[string, (redis: ScriptedRedis) => void, string]>([
    [
      "the append-only file was turned off",
      (redis) => {
        redis.aofEnabled = 0;
      },
      "CHECKPOINT_UNSAFE",
    ],
    [
      "the append-only file could not be written",
      (redis) => {
        redis.lastWrite = "err";
      },
      "CHECKPOINT_FAILED",
    ],
  ])("delay refuses when %s meanwhile", async (_, spoil, code) => {
    const redis = new ScriptedRedis();
    const { clock, outcomes, follow } = gateOn(redis, { durability: "delay", replicas: 0 });
    for (const name of ["a", "b", "c"]) follow(name);
    await settled();
    spoil(redis);
    clock.advance(3_000);
    await settled();
    expect(outcomes).toEqual([`a ${code}`]);
  });

  test("what waits when it closes is given up, and no timer is left", async () => {
    const redis = new ScriptedRedis();
    const { clock, gate, outcomes, follow } = gateOn(redis, { durability: "delay", replicas: 0 });
    follow("a");
    await settled();
    gate.close();
    await settled();
    expect(outcomes).toEqual(["a CHECKPOINT_FAILED"]);
    expect(clock.pending).toEqual([]);
  });
});
