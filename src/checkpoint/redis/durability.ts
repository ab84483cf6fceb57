import { TidemarkError } from "../../core/errors.js";
import type { RedisFacts } from "./redis-facts.js";

/** When a checkpoint in Redis counts as durable, strongest first. docs/checkpoints.md. */
export const DURABILITIES = ["waitaof", "always", "delay", "none"] as const;

export type Durability = (typeof DURABILITIES)[number];

/** What the user asks for. */
export interface DurabilityWish {
  /** Null takes the strongest that the server has. */
  readonly durability: Durability | null;
  /** Replicas that have to have it on disk, too. */
  readonly replicas: number;
}

/**
 * The durability that is used with this server. Throws CHECKPOINT_UNSAFE, saying which setting to
 * change, when the server would lose checkpoints or cannot give what is asked for; with "none" the
 * user has taken the loss on himself. Throws CHECKPOINT_FAILED for a replica.
 */
export function chooseDurability(facts: RedisFacts, wish: DurabilityWish): Durability {
  if (facts.isReplica) {
    throw new TidemarkError(
      "CHECKPOINT_FAILED",
      `This Redis is a read-only replica of ${facts.primary}; give the URL of the primary, or ` +
        "wait for the failover.",
    );
  }
  if (wish.durability === "none") return "none";
  refuseLoss(facts);
  const chosen = wish.durability ?? strongest(facts);
  if (wish.replicas > 0 && chosen !== "waitaof") {
    throw unsafe(
      "replicas",
      "redis({ replicas }) needs durability waitaof, from Redis 7.2 on",
      null,
    );
  }
  if (chosen === "waitaof" && !facts.hasWaitAof) {
    throw unsafe("waitaof", `Redis ${facts.version} has no WAITAOF, which came with 7.2`, null);
  }
  if (chosen === "always" && facts.appendFsync !== "always") {
    const is = facts.appendFsync ?? "not to be read";
    throw unsafe("appendfsync", `appendfsync is ${is}`, "CONFIG SET appendfsync always");
  }
  if (chosen !== "waitaof" && facts.skipsFsyncOnRewrite) {
    throw unsafe(
      "no-appendfsync-on-rewrite",
      "Redis leaves fsync out while it rewrites its append-only file",
      "CONFIG SET no-appendfsync-on-rewrite no",
    );
  }
  return chosen;
}

function strongest(facts: RedisFacts): Durability {
  if (facts.hasWaitAof) return "waitaof";
  return facts.appendFsync === "always" ? "always" : "delay";
}

function refuseLoss(facts: RedisFacts): void {
  if (!facts.hasAof) {
    throw unsafe(
      "appendonly",
      "Redis keeps no append-only file, so a restart loses the newest checkpoints",
      "CONFIG SET appendonly yes",
    );
  }
  if (facts.evictionPolicy !== "noeviction") {
    throw unsafe(
      "maxmemory-policy",
      `Redis evicts keys when memory is short (maxmemory-policy ${facts.evictionPolicy})`,
      "CONFIG SET maxmemory-policy noeviction",
    );
  }
  if (facts.appendFsync === "no") {
    throw unsafe(
      "appendfsync",
      "Redis leaves it to the system when its file is written to disk (appendfsync no)",
      "CONFIG SET appendfsync everysec",
    );
  }
}

function unsafe(setting: string, what: string, fix: string | null): TidemarkError {
  const way = fix === null ? "Choose another durability" : `Run in redis-cli: ${fix}`;
  return new TidemarkError(
    "CHECKPOINT_UNSAFE",
    `${what}. ${way}, and make it last in redis.conf; or accept the loss of checkpoints, and a ` +
      'new start after it, with redis({ durability: "none" }).',
    { detail: { setting, ...(fix === null ? {} : { fix }) } },
  );
}
