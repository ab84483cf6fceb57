import { cpSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Redis } from "ioredis";
import { expect, onTestFinished, test } from "vitest";
import { type RedisServer, startRedis } from "../../src/cli/embedded/redis-server.js";
import { eventually } from "../services/eventually.js";
import { FaultProxy } from "../services/fault-proxy.js";
import { usePostgres } from "../services/postgres.js";
import { uniqueName } from "../services/shared-service.js";
import { openSql, type Sql } from "../services/sql.js";
import { fileWith, type TidemarkProcess, tidemark } from "../services/tidemark-process.js";
import { differences, INSERT, readingsConfig, rowCounts, TABLE } from "./readings.js";

// Redis loses writes in every way it can, on purpose and not by chance: what a crash may take is
// taken by putting an older copy of the data folder back.

const { createDatabase } = await usePostgres({ settings: { track_commit_timestamp: "on" } });

/** A pipeline with its checkpoints in a Redis, and someone who looks at both. */
interface Scene {
  readonly sql: Sql;
  readonly admin: Redis;
  /** Starts the pipeline, or another command about it. */
  run(command?: string): TidemarkProcess;
  /** Inserts rows and returns where the WAL then ends. */
  insert(): Promise<bigint>;
  /** The newest checkpoint has reached `lsn`. */
  saved(lsn: bigint): Promise<void>;
  /** The slot has been told `lsn`. */
  acknowledged(lsn: bigint): Promise<void>;
  confirmed(): Promise<bigint>;
  /** The views have all rows, each once. */
  compare(process: TidemarkProcess): Promise<void>;
}

async function server(options: Parameters<typeof startRedis>[0] = {}): Promise<RedisServer> {
  const redis = await startRedis(options);
  onTestFinished(() => redis.close());
  return redis;
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "tidemark-redis-copy-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

async function scene(redis: RedisServer, options = ""): Promise<Scene> {
  const { url, sql: open } = await createDatabase();
  await open(TABLE);
  const { sql, close } = openSql(url);
  const admin = new Redis(redis.url, { maxRetriesPerRequest: null });
  admin.on("error", () => {});
  onTestFinished(async () => {
    admin.disconnect();
    await close();
  });
  const name = uniqueName("lost");
  const config = fileWith(
    readingsConfig(name)
      .replace("{ source: slot({}) }", `{ source: slot({}), checkpoint: redis({ ${options} }) }`)
      .replace("postgres, slot", "postgres, redis, slot"),
  );
  const env = {
    TIDEMARK_SOURCE_URL: url,
    TIDEMARK_CHECKPOINT_URL: redis.url,
    TIDEMARK_FLUSH_INTERVAL: "20ms",
    TIDEMARK_CHECKPOINT_INTERVAL: "100ms",
    TIDEMARK_IDLE_CHECKPOINT_INTERVAL: "100ms",
    TIDEMARK_RETRY_MIN: "100ms",
    TIDEMARK_RETRY_MAX: "500ms",
  };
  let started: TidemarkProcess | null = null;
  const explain = (): string => started?.stderr ?? "";
  const number = async (text: string): Promise<bigint> => {
    const [row] = await sql(text);
    return BigInt(String(row?.["at"]));
  };
  const confirmed = (): Promise<bigint> =>
    number(`select (confirmed_flush_lsn - '0/0'::pg_lsn)::text as at
            from pg_replication_slots where slot_name = 'tidemark_${name}'`);
  return {
    sql,
    admin,
    run: (command = "run") => {
      started = tidemark([command, config], { env });
      return started;
    },
    insert: async () => {
      await sql(INSERT, [50]);
      return number("select (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::text as at");
    },
    saved: async (lsn) => {
      const isSaved = async (): Promise<boolean> => {
        const kept = (await admin.hget(`tidemark:{${name}}:head`, "kept")) ?? "";
        return BigInt(`0x${kept.split("\n")[0]?.split(" ")[2] ?? "0"}`) >= lsn;
      };
      await eventually("the checkpoint is saved", isSaved, { explain });
    },
    acknowledged: async (lsn) => {
      const isTold = async (): Promise<boolean> => (await confirmed()) >= lsn;
      await eventually("the slot is told", isTold, { explain });
    },
    confirmed,
    compare: async (process) => {
      const hasAll = async (): Promise<boolean> => {
        const { committed, kept, byRegion, byDevice } = await rowCounts(sql, sql);
        return byRegion >= committed && byDevice >= kept;
      };
      await eventually("the views have all rows", hasAll, { explain: () => process.stderr });
      expect(await differences(sql, sql)).toEqual({});
    },
  };
}

/** Kills the server and brings up what `dataDir` holds at the same address. */
async function replaceBy(
  redis: RedisServer,
  dataDir: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<void> {
  await redis.kill();
  await server({ port: redis.port, dataDir, settings });
}

async function refused(process: TidemarkProcess, exitCode: number, code: string): Promise<string> {
  const { code: exit, stderr } = await process.ended;
  expect(exit, stderr).toBe(exitCode);
  expect(stderr).toContain(`[${code}]`);
  return stderr;
}

test("an older copy behind which the gate has held the slot loses nothing", async () => {
  const redis = await server();
  const { run, insert, saved, acknowledged, confirmed, compare } = await scene(
    redis,
    'durability: "delay", delay: "3s"',
  );
  const first = run();
  await first.logged("running");
  await insert().then(saved);
  const before = await confirmed();
  const copy = folder();
  cpSync(redis.dataDir, copy, { recursive: true });
  const late = await insert();
  await saved(late);
  await first.end("SIGKILL");
  expect(await confirmed()).toBe(before);
  await replaceBy(redis, copy);

  const second = run();
  await second.logged("running");
  await compare(second);
  await acknowledged(await insert());
  await compare(second);
  expect((await second.end("SIGTERM")).code, second.stderr).toBe(0);
});

test("an older copy that the slot has passed is refused, and --reset is the way out", async () => {
  const redis = await server({ settings: { appendfsync: "always" } });
  const { run, insert, saved, acknowledged } = await scene(redis);
  const first = run();
  await first.logged("running");
  await saved(await insert());
  const copy = folder();
  cpSync(redis.dataDir, copy, { recursive: true });
  await acknowledged(await insert());
  await first.end("SIGKILL");
  await replaceBy(redis, copy);
  const stderr = await refused(run(), 4, "SLOT_AHEAD");
  expect(stderr).toContain("the checkpoint store has gone back");
  expect(stderr).toContain("--reset");
});

test("FLUSHALL under a running pipeline is noticed, and stops it for a reason", async () => {
  const redis = await server({ settings: { appendfsync: "always" } });
  const { run, insert, acknowledged, admin } = await scene(redis);
  const process = run();
  await process.logged("running");
  await acknowledged(await insert());
  await admin.flushall();
  await insert();
  const stderr = await refused(process, 4, "SLOT_WITHOUT_CHECKPOINT");
  expect(stderr).toContain("gone back to an earlier state");
});

test("a stale replica that is promoted under a running pipeline is refused", async () => {
  const redis = await server({ settings: { appendfsync: "always" } });
  const replica = await server({
    dataDir: folder(),
    settings: { replicaof: `127.0.0.1 ${redis.port}` },
  });
  const { run, insert, saved, acknowledged } = await scene(redis);
  const process = run();
  await process.logged("running");
  await saved(await insert());
  const other = new Redis(replica.url, { retryStrategy: () => null });
  other.on("error", () => {}); // it is stopped below
  onTestFinished(() => other.disconnect());
  await eventually("the replica follows", async () =>
    /master_link_status:up/.test(await other.info("replication")),
  );
  await saved(await insert());
  await other.replicaof("NO", "ONE");
  await acknowledged(await insert());
  await replica.stop();
  await replaceBy(redis, replica.dataDir);
  await refused(process, 4, "SLOT_AHEAD");
});

test("a restart without the append-only file is refused before anything goes on", async () => {
  const redis = await server({ dataDir: folder(), settings: { appendfsync: "always" } });
  const { run, insert, acknowledged } = await scene(redis);
  const process = run();
  await process.logged("running");
  await acknowledged(await insert());
  await replaceBy(redis, redis.dataDir, { appendonly: "no" });
  const stderr = await refused(process, 2, "CHECKPOINT_UNSAFE");
  expect(stderr).toContain("CONFIG SET appendonly yes");

  // With the loss accepted it starts, and finds that everything is gone.
  const check = await run("check").ended;
  expect(check.stdout).toContain("[CHECKPOINT_UNSAFE]");
  expect(check.code).toBe(3);
});

test("durability none takes a Redis without a file, and tells of the loss afterwards", async () => {
  const redis = await server({ settings: { appendonly: "no" } });
  const { run, insert, acknowledged, compare } = await scene(redis, 'durability: "none"');
  const first = run();
  await first.logged("running");
  await acknowledged(await insert());
  await compare(first);
  await first.end("SIGKILL");
  await redis.kill();
  await redis.start();
  await refused(run(), 4, "SLOT_WITHOUT_CHECKPOINT");
});

test("eviction is refused; what it has taken already is missed by name", async () => {
  const redis = await server({ settings: { appendfsync: "always" } });
  const { run, insert, acknowledged, admin } = await scene(redis);
  const first = run();
  await first.logged("running");
  await acknowledged(await insert());
  await first.end("SIGKILL");
  await admin.config("SET", "maxmemory-policy", "allkeys-lru");
  expect(await refused(run(), 2, "CHECKPOINT_UNSAFE")).toContain("maxmemory-policy noeviction");
  await admin.config("SET", "maxmemory-policy", "noeviction");
  for (const key of await admin.keys("*:segment:*")) await admin.unlink(key);
  expect(await refused(run(), 4, "CHECKPOINT_CORRUPT")).toContain("it is missing");
});

test("a full Redis holds the slot back, and all goes on when there is room", async () => {
  const redis = await server({ settings: { appendfsync: "always" } });
  const { run, insert, acknowledged, confirmed, compare, admin } = await scene(redis);
  const process = run();
  await process.logged("running");
  await acknowledged(await insert());
  await admin.config("SET", "maxmemory", "1mb");
  const full = await insert();
  const isFull = () => process.log().some((line) => /no memory left/.test(line.msg));
  await eventually("it is told that Redis is full", isFull, { explain: () => process.stderr });
  expect(await confirmed()).toBeLessThan(full);
  await admin.config("SET", "maxmemory", "0");
  await acknowledged(full);
  await compare(process);
  expect((await process.end("SIGTERM")).code).toBe(0);
});

test("kills of Redis under a running pipeline lose nothing", async () => {
  const redis = await server({ settings: { appendfsync: "always" } });
  const { run, insert, acknowledged, compare } = await scene(redis);
  const process = run();
  await process.logged("running");
  for (let kill = 0; kill < 5; kill++) {
    await insert();
    await redis.kill();
    await insert();
    await redis.start();
    await acknowledged(await insert());
  }
  await compare(process);
  expect((await process.end("SIGTERM")).code, process.stderr).toBe(0);
});

test("a read-only replica is refused, and its primary named", async () => {
  const redis = await server();
  const replica = await server({ settings: { replicaof: `127.0.0.1 ${redis.port}` } });
  const { run } = await scene(replica);
  const stderr = await refused(run(), 7, "CHECKPOINT_FAILED");
  expect(stderr).toContain(`read-only replica of 127.0.0.1:${redis.port}`);
});

test("a half-open connection to Redis is given up at commandTimeout; nothing is lost", async () => {
  const redis = await server({ settings: { appendfsync: "always" } });
  const proxy = await FaultProxy.before(redis.url);
  onTestFinished(() => proxy.close());
  const behind = { ...redis, url: proxy.url };
  const { run, insert, acknowledged, compare } = await scene(behind, 'commandTimeout: "500ms"');
  const process = run();
  await process.logged("running");
  await acknowledged(await insert());
  proxy.swallow();
  await insert();
  const isTold = () => process.log().some((line) => /did not answer in time/.test(line.msg));
  await eventually("the silence is noticed", isTold, { explain: () => process.stderr });
  proxy.pass();
  await acknowledged(await insert());
  await compare(process);
  expect((await process.end("SIGTERM")).code, process.stderr).toBe(0);
});
