import { isIP } from "node:net";
import type { Redis, RedisOptions } from "ioredis";
import { TidemarkError } from "../../core/errors.js";
import { fromRedis } from "./redis-errors.js";
import {
  listOf,
  type RedisConnect,
  type RedisReply,
  type RedisSession,
  textOf,
} from "./redis-session.js";

/** Where a Redis is. */
export interface RedisTarget {
  /** `redis:` or `rediss:` (TLS), with login and database. */
  readonly url: string;
  /** More nodes of the same Cluster, `host:port`, to be asked when the first does not answer. */
  readonly nodes: readonly string[];
  /** With Sentinels the URL's host is not used: they say where the primary is. */
  readonly sentinel: SentinelTarget | null;
  /** Milliseconds that a command may take, and a connection to be made. */
  readonly commandTimeoutMs: number;
  readonly connectionName: string;
}

export interface SentinelTarget {
  /** What the Sentinels call the primary. */
  readonly name: string;
  /** `host:port`. */
  readonly nodes: readonly string[];
  readonly username?: string | undefined;
  readonly password?: string | undefined;
}

/** Replies of protocol 2 need no mapping. */
type ClientOptions = Omit<RedisOptions, "replyMapping">;

const PORT = 6379;
const SENTINEL_PORT = 26379;

/**
 * Opens sessions through ioredis, which is loaded here and only if it is used. A session is one
 * connection to one server: it never reconnects, queues nothing and sends nothing again, because a
 * write that arrives late or twice belongs to a run that is over. In a Cluster it goes to the
 * master of the key's hash slot, so that WAITAOF is answered by the server that took the write.
 */
export function redisConnect(target: RedisTarget): RedisConnect {
  return async (key) => {
    const first = await connectAny(target);
    try {
      const owner = await ownerOf(first, key);
      if (owner === null) return sessionOf(first);
      const client = await connect(target, owner);
      first.disconnect();
      return sessionOf(client);
    } catch (error) {
      first.disconnect();
      throw fromRedis(error);
    }
  };
}

interface Address {
  readonly host: string;
  readonly port: number;
}

async function connectAny(target: RedisTarget): Promise<Redis> {
  const { hostname, port } = new URL(target.url);
  const own = { host: hostname.replace(/^\[|\]$/g, ""), port: Number(port || PORT) };
  const addresses = [own, ...target.nodes.map((node) => addressOf(node, PORT))];
  let failure: unknown;
  for (const address of target.sentinel === null ? addresses : [own]) {
    try {
      return await connect(target, address);
    } catch (error) {
      failure = error;
    }
  }
  throw fromRedis(failure);
}

async function connect(target: RedisTarget, address: Address): Promise<Redis> {
  const { Redis } = await loadIoredis();
  const client = new Redis(clientOptions(target, address));
  let reason: unknown;
  // A connection that is lost while idle shows itself at the next command.
  client.on("error", (error: unknown) => {
    reason = error;
  });
  try {
    await client.connect();
    return client;
  } catch (error) {
    client.disconnect();
    // ioredis rejects with "Connection is closed."; why it was is in the event.
    throw reason ?? error;
  }
}

async function loadIoredis(): Promise<{ readonly Redis: typeof Redis }> {
  try {
    return await import("ioredis");
  } catch (error) {
    throw new TidemarkError(
      "CONFIG_INVALID",
      "Checkpoints in Redis need the npm package ioredis: run npm install ioredis@6.0.0.",
      { cause: error },
    );
  }
}

function clientOptions(target: RedisTarget, { host, port }: Address): ClientOptions {
  const { username, password, pathname, protocol } = new URL(target.url);
  const { sentinel, commandTimeoutMs } = target;
  const login = {
    ...(username === "" ? {} : { username: decodeURIComponent(username) }),
    ...(password === "" ? {} : { password: decodeURIComponent(password) }),
  };
  const isTls = protocol === "rediss:";
  return {
    ...login,
    db: Number(pathname.slice(1) || 0),
    // A server name is never an address (RFC 6066); the certificate is compared with either.
    ...(isTls ? { tls: isIP(host) === 0 ? { servername: host } : {} } : {}),
    ...(sentinel === null ? { host, port } : sentinelOptions(sentinel, isTls)),
    connectionName: target.connectionName.replaceAll(" ", "-"),
    lazyConnect: true,
    protocol: 2,
    commandTimeout: commandTimeoutMs,
    connectTimeout: commandTimeoutMs,
    maxLoadingRetryTime: commandTimeoutMs,
    retryStrategy: () => null,
    reconnectOnError: null,
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    keepAlive: 10_000,
  };
}

function sentinelOptions(sentinel: SentinelTarget, isTls: boolean): ClientOptions {
  const { name, nodes, username, password } = sentinel;
  return {
    name,
    role: "master",
    sentinels: nodes.map((node) => addressOf(node, SENTINEL_PORT)),
    ...(username === undefined ? {} : { sentinelUsername: username }),
    ...(password === undefined ? {} : { sentinelPassword: password }),
    enableTLSForSentinelMode: isTls,
    sentinelRetryStrategy: () => null,
  };
}

/** The master of the key's hash slot, unless this is no Cluster or the server is it itself. */
async function ownerOf(client: Redis, key: string): Promise<Address | null> {
  const info = textOf((await client.call("INFO", "cluster")) as RedisReply);
  if (!/cluster_enabled:1/.test(info)) return null;
  const [slot, own, ranges] = await Promise.all([
    client.call("CLUSTER", "KEYSLOT", key),
    client.call("CLUSTER", "MYID"),
    client.call("CLUSTER", "SLOTS"),
  ]);
  for (const range of listOf(ranges as RedisReply).map(listOf)) {
    if (Number(range[0]) > Number(slot) || Number(slot) > Number(range[1])) continue;
    const [host, port, id] = listOf(range[2] as RedisReply).map(textOf);
    return id === own ? null : { host: host ?? "", port: Number(port) };
  }
  throw new TidemarkError(
    "CHECKPOINT_FAILED",
    "No node of the Redis Cluster has the pipeline's hash slot; wait until the Cluster is whole.",
  );
}

function addressOf(node: string, defaultPort: number): Address {
  const at = node.lastIndexOf(":");
  if (at < 0 || node.endsWith("]")) return { host: node, port: defaultPort };
  const host = node.slice(0, at).replace(/^\[|\]$/g, "");
  return { host, port: Number(node.slice(at + 1)) };
}

function sessionOf(client: Redis): RedisSession {
  return {
    async send(command, ...args) {
      try {
        const own = args.map((arg) => (arg instanceof Uint8Array ? bufferOf(arg) : arg));
        return (await client.callBuffer(command, ...own)) as RedisReply;
      } catch (error) {
        throw fromRedis(error);
      }
    },
    async end() {
      client.disconnect();
    },
  };
}

function bufferOf(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
