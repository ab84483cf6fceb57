import { listOf, type RedisSession, textOf } from "./redis-session.js";

/** What a Redis says about how it keeps what it is given. */
export interface RedisFacts {
  readonly version: string;
  readonly isReplica: boolean;
  /** `host:port` of its primary; null for a primary. */
  readonly primary: string | null;
  readonly hasAof: boolean;
  /** Whether the last write to the append-only file succeeded. */
  readonly isAofHealthy: boolean;
  /** Null when the server does not let us read its configuration. */
  readonly appendFsync: string | null;
  /** Whether fsync is left out while the file is rewritten. */
  readonly skipsFsyncOnRewrite: boolean;
  /** How often fsync was slower than the server could wait. */
  readonly delayedFsyncs: number;
  readonly evictionPolicy: string;
  /** Bytes; 0 is no limit. */
  readonly maxMemory: number;
  readonly usedMemory: number;
  /** Whether the server can be asked to confirm an fsync (Redis 7.2). */
  readonly hasWaitAof: boolean;
  readonly replicas: readonly ReplicaFacts[];
}

/** A replica as its primary sees it. */
export interface ReplicaFacts {
  readonly address: string;
  /** Seconds since it was heard of. */
  readonly lagSeconds: number;
}

/** Asks a server for its facts; all of it in one round trip. */
export async function readRedisFacts(session: RedisSession): Promise<RedisFacts> {
  const [text, waitAof, fsync, rewrite] = await Promise.all([
    session.send("INFO").then(textOf),
    session.send("COMMAND", "INFO", "WAITAOF").then(
      (reply) => listOf(reply)[0] != null,
      () => false,
    ),
    readSetting(session, "appendfsync"),
    readSetting(session, "no-appendfsync-on-rewrite"),
  ]);
  const info = parseInfo(text);
  const isReplica = info("role") === "slave";
  return {
    version: info("valkey_version") || info("redis_version"),
    isReplica,
    primary: isReplica ? `${info("master_host")}:${info("master_port")}` : null,
    hasAof: info("aof_enabled") === "1",
    isAofHealthy: info("aof_last_write_status") !== "err",
    appendFsync: fsync,
    skipsFsyncOnRewrite: rewrite === "yes",
    delayedFsyncs: Number(info("aof_delayed_fsync")),
    evictionPolicy: info("maxmemory_policy"),
    maxMemory: Number(info("maxmemory")),
    usedMemory: Number(info("used_memory")),
    hasWaitAof: waitAof,
    replicas: [...text.matchAll(/^slave\d+:ip=([^,]+),port=(\d+),.*lag=(\d+)/gm)].map((match) => {
      return { address: `${match[1]}:${match[2]}`, lagSeconds: Number(match[3]) };
    }),
  };
}

// Managed services forbid CONFIG; what cannot be read is not relied on.
async function readSetting(session: RedisSession, name: string): Promise<string | null> {
  try {
    const value = listOf(await session.send("CONFIG", "GET", name))[1];
    return value === undefined ? null : textOf(value);
  } catch {
    return null;
  }
}

/** Reads a field of INFO; empty when there is none. */
function parseInfo(text: string): (field: string) => string {
  const fields = new Map<string, string>();
  for (const line of text.split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon > 0) fields.set(line.slice(0, colon), line.slice(colon + 1));
  }
  return (field) => fields.get(field) ?? "";
}
