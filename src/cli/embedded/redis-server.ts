import { mkdir, mkdtemp } from "node:fs/promises";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { claimFolder } from "./claim-folder.js";
import { findRedis } from "./redis-binary.js";
import { freePort, supervise } from "./supervise.js";

/** What to start. */
export interface RedisServerOptions {
  /** A folder that persists; a temporary one, removed by `close`, when absent. */
  readonly dataDir?: string;
  /** A free port when absent. */
  readonly port?: number;
  /** Server settings, added to an append-only file and no eviction. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** A Redis of our own. It also ends, within seconds, when this process does. */
export interface RedisServer {
  readonly url: string;
  readonly port: number;
  readonly dataDir: string;
  isRunning(): boolean;
  /** Starts a stopped or killed server again: same folder, same port. */
  start(): Promise<void>;
  /** Waits for an orderly end, after 60 s a kill. Keeps the folder. */
  stop(): Promise<void>;
  restart(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** Stops the server for good and removes a temporary folder. */
  close(): Promise<void>;
}

const defaultSettings: Readonly<Record<string, string>> = {
  bind: "127.0.0.1",
  save: "",
  appendonly: "yes",
  "maxmemory-policy": "noeviction",
  pidfile: "redis.pid",
  daemonize: "no",
};

/**
 * Starts a Redis, or a Valkey, and resolves once it answers.
 *
 * Throws SERVICE_START_FAILED when no server program can be found, when it does not come up, or
 * when another server uses the folder.
 */
export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const command = findRedis();
  const isTemporary = options.dataDir === undefined;
  const dataDir =
    options.dataDir === undefined
      ? await mkdtemp(join(tmpdir(), "tidemark-redis-"))
      : resolve(options.dataDir);
  await mkdir(dataDir, { recursive: true });
  const supervisor = supervise({
    signals: [isTemporary ? "SIGKILL" : "SIGTERM"],
    temporaryDir: isTemporary ? dataDir : undefined,
  });
  try {
    const port = options.port ?? (await freePort());
    const start = async (): Promise<void> => {
      if (supervisor.isRunning()) return;
      await claimFolder(dataDir, "redis.pid", ["redis", "valkey"]);
      await supervisor.launch({
        title: "Redis",
        command,
        args: serverArguments({ ...options.settings, dir: dataDir, port: String(port) }),
        cwd: dataDir,
        logFile: join(dataDir, "server.log"),
        isReady: () => answersPing(port),
      });
    };
    const stop = (): Promise<void> => supervisor.stop("SIGTERM");
    await start();
    return {
      url: `redis://127.0.0.1:${port}`,
      port,
      dataDir,
      isRunning: supervisor.isRunning,
      start,
      stop,
      restart: async () => {
        await stop();
        await start();
      },
      kill: supervisor.kill,
      close: async () => {
        if (!isTemporary) await stop();
        await supervisor.close();
      },
    };
  } catch (error) {
    await supervisor.close();
    throw error;
  }
}

function serverArguments(settings: Readonly<Record<string, string>>): string[] {
  const merged = Object.entries({ ...defaultSettings, ...settings });
  return merged.flatMap(([name, value]) => [`--${name}`, value]);
}

// A server that still loads its file answers -LOADING.
function answersPing(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect({ host: "127.0.0.1", port, timeout: 2_000 });
    const finish = (isUp: boolean): void => {
      socket.destroy();
      done(isUp);
    };
    socket.once("connect", () => socket.write("PING\r\n"));
    socket.once("data", (reply) => finish(reply.toString("latin1").startsWith("+PONG")));
    for (const event of ["error", "timeout", "close"]) socket.once(event, () => finish(false));
  });
}
