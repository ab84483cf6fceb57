import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { z } from "zod";
import { type Duration, parseDuration } from "../core/duration.js";
import { TidemarkError } from "../core/errors.js";
import { check, type PostgresSpec } from "./specs.js";

/** A folder on this machine for checkpoints. */
export interface FileOptions {
  /** Each pipeline has a folder of its own name in it. */
  readonly dir: string;
}

/** A Redis or Valkey for checkpoints: one server, a Cluster, or what Sentinels watch over. */
export interface RedisOptions {
  /** `redis:` or `rediss:` (TLS). Default: TIDEMARK_CHECKPOINT_URL. */
  readonly url?: string | undefined;
  /** More nodes of the same Cluster, `host:port`, in case the first is away. */
  readonly nodes?: readonly string[] | undefined;
  /** Sentinels, which then say where the primary is; login, database and TLS are the URL's. */
  readonly sentinel?: SentinelOptions | undefined;
  /**
   * When a checkpoint counts as durable and is acknowledged. Default: the strongest of `waitaof`,
   * `always` and `delay` that the server has.
   */
  readonly durability?: RedisDurability | undefined;
  /** Replicas that must have it on disk, too; with `waitaof`. Default: 0. */
  readonly replicas?: number | undefined;
  /** How old a checkpoint has to be; with `delay`. Default: 3s. */
  readonly delay?: Duration | undefined;
  /** How long a command may take. Default: 5s. */
  readonly commandTimeout?: Duration | undefined;
  /** Begins every key. Default: `tidemark`. */
  readonly prefix?: string | undefined;
}

export interface SentinelOptions {
  /** What the Sentinels call the primary. */
  readonly name: string;
  /** `host:port`. */
  readonly nodes: readonly string[];
  readonly username?: string | undefined;
  readonly password?: string | undefined;
}

export type RedisDurability = "waitaof" | "always" | "delay" | "none";

export interface FileSpec {
  readonly kind: "file";
  readonly options: FileOptions;
}

export interface RedisSpec {
  readonly kind: "redis";
  readonly options: RedisOptions;
}

/** Where checkpoints go, as written. */
export type CheckpointSpec = PostgresSpec | FileSpec | RedisSpec;

/** A Redis for checkpoints, complete. */
export interface RedisSettings {
  readonly kind: "redis";
  readonly url: string;
  readonly nodes: readonly string[];
  readonly sentinel: SentinelOptions | null;
  /** Null takes the strongest that the server has. */
  readonly durability: RedisDurability | null;
  readonly replicas: number;
  readonly delayMs: number;
  readonly commandTimeoutMs: number;
  readonly prefix: string;
}

/** Where checkpoints go, complete. */
export type CheckpointSettings =
  | { readonly kind: "postgres"; readonly url: string }
  | { readonly kind: "file"; readonly dir: string }
  | RedisSettings;

const FILE_OPTIONS = z.strictObject({ dir: z.string().min(1) });

const IS_REDIS = /^rediss?:\/\/[^/]/;
const node = z.string().regex(/^[^:\s]+:\d+$|^\[[^\]]+\]:\d+$/, 'an address such as "host:6379"');
const duration = z.union([z.string(), z.number()]);
const REDIS_OPTIONS = z.strictObject({
  url: z.string().regex(IS_REDIS, 'a URL such as "rediss://user:password@host:6379/0"').optional(),
  nodes: z.array(node).optional(),
  sentinel: z
    .strictObject({
      name: z.string().min(1),
      nodes: z.array(node).min(1),
      username: z.string().optional(),
      password: z.string().optional(),
    })
    .optional(),
  durability: z.enum(["waitaof", "always", "delay", "none"]).optional(),
  replicas: z.number().int().min(0).max(100).optional(),
  delay: duration.optional(),
  commandTimeout: duration.optional(),
  prefix: z
    .string()
    .regex(/^[^{}\s]{1,100}$/, "1 to 100 characters without spaces and braces")
    .optional(),
});

/** Checkpoints in a folder on this machine: for one machine and its disk. */
export function file(options: FileOptions): FileSpec {
  return Object.freeze({ kind: "file", options: check("file", FILE_OPTIONS, options) });
}

/** Checkpoints in Redis or Valkey, through the npm package ioredis. */
export function redis(options: RedisOptions = {}): RedisSpec {
  const checked = check("redis", REDIS_OPTIONS, options);
  for (const name of ["delay", "commandTimeout"] as const) {
    const value = checked[name];
    if (value !== undefined) parseDuration(value, `redis({ ${name} })`);
  }
  refuseContradictions(checked);
  return Object.freeze({ kind: "redis", options: checked });
}

/** Throws CONFIG_INVALID for options that are fine alone and mean nothing together. */
function refuseContradictions(options: RedisOptions): void {
  const { durability, sentinel, nodes = [], replicas = 0, delay } = options;
  const refuse = (sentence: string): never => {
    throw new TidemarkError("CONFIG_INVALID", `redis(): ${sentence}`, {
      detail: { call: "redis" },
    });
  };
  if (sentinel !== undefined && nodes.length > 0) {
    refuse("nodes are of a Cluster, which has no Sentinels; leave one of the two out.");
  }
  if (replicas > 0 && durability !== undefined && durability !== "waitaof") {
    refuse("replicas needs durability waitaof; leave one of the two out.");
  }
  if (delay !== undefined && durability !== undefined && durability !== "delay") {
    refuse("delay needs durability delay; leave one of the two out.");
  }
}

/** What the checkpoints of a pipeline need beside what is written. */
export interface CheckpointDefaults {
  readonly pipeline: string;
  /** TIDEMARK_CHECKPOINT_URL: `postgresql:`, `redis:`, `rediss:` or `file:`. */
  readonly url: string | undefined;
  readonly resultsUrl: string;
}

/** Completes `checkpoint`. Throws CONFIG_INVALID for a URL of an unknown kind. */
export function resolveCheckpoint(
  spec: CheckpointSpec,
  { pipeline, url, resultsUrl }: CheckpointDefaults,
): CheckpointSettings {
  if (spec.kind === "file") return { kind: "file", dir: resolve(spec.options.dir, pipeline) };
  if (spec.kind === "redis") return redisSettings(spec.options, spec.options.url ?? url ?? "");
  if (spec.options.url !== undefined) return { kind: "postgres", url: spec.options.url };
  if (url === undefined) return { kind: "postgres", url: resultsUrl };
  if (/^postgres(ql)?:\/\//.test(url)) return { kind: "postgres", url };
  if (/^file:\/\/\//.test(url)) return { kind: "file", dir: resolve(fileURLToPath(url), pipeline) };
  if (IS_REDIS.test(url)) return redisSettings({}, url);
  throw new TidemarkError(
    "CONFIG_INVALID",
    'TIDEMARK_CHECKPOINT_URL takes a URL such as "postgresql://user@host/database", ' +
      '"rediss://user:password@host:6379/0" or "file:///var/lib/tidemark".',
  );
}

function redisSettings(options: RedisOptions, url: string): RedisSettings {
  if (!IS_REDIS.test(url) || !URL.canParse(url)) {
    throw new TidemarkError(
      "CONFIG_INVALID",
      "No Redis: set redis({ url }) or TIDEMARK_CHECKPOINT_URL, such as " +
        '"rediss://user:password@host:6379/0".',
    );
  }
  return {
    kind: "redis",
    url,
    nodes: options.nodes ?? [],
    sentinel: options.sentinel ?? null,
    durability: options.durability ?? null,
    replicas: options.replicas ?? 0,
    delayMs: parseDuration(options.delay ?? "3s", "redis({ delay })"),
    commandTimeoutMs: parseDuration(options.commandTimeout ?? "5s", "redis({ commandTimeout })"),
    prefix: options.prefix ?? "tidemark",
  };
}
