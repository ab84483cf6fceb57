import pg from "pg";
import { type PostgresServer, startPostgres } from "../src/cli/embedded/postgres-server.js";
import { progress } from "./report.js";

/** Runs a statement and returns its rows. */
export type Sql = (text: string, parameters?: unknown[]) => Promise<Record<string, unknown>[]>;

/** A server for one benchmark and a connection to it. */
export interface BenchDatabase {
  readonly url: string;
  readonly dataDir: string;
  readonly sql: Sql;
  /** A further connection, closed with the server. */
  connect(): Promise<pg.Client>;
  close(): Promise<void>;
}

// PostgreSQL's defaults but for these. Automatic vacuum and timed Postgres checkpoints would fall
// into one round and not into another; fsync and synchronous_commit stay on.
const SETTINGS = {
  autovacuum: "off",
  checkpoint_timeout: "1h",
  max_wal_size: "16GB",
  max_replication_slots: "20",
} as const;

/** The settings in words, for the printed method. */
export const SETTINGS_SENTENCE: string = [
  "Embedded PostgreSQL on the same machine, fsync on, wal_level logical",
  ...Object.entries(SETTINGS).map(([name, value]) => `${name} ${value}`),
  "otherwise its defaults.",
].join(", ");

export async function openDatabase(): Promise<BenchDatabase> {
  progress("Starting PostgreSQL 18 ...");
  const server: PostgresServer = await startPostgres({ version: 18, settings: SETTINGS });
  const clients: pg.Client[] = [];
  const connect = async (): Promise<pg.Client> => {
    const client = new pg.Client({ connectionString: server.url });
    client.on("error", () => {}); // a query that suffers from it rejects
    await client.connect();
    clients.push(client);
    return client;
  };
  const close = async (): Promise<void> => {
    await Promise.all(clients.map((client) => client.end().catch(() => {})));
    await server.close();
  };
  try {
    const main = await connect();
    const sql: Sql = async (text, parameters = []) => (await main.query(text, parameters)).rows;
    return { url: server.url, dataDir: server.dataDir, sql, connect, close };
  } catch (error) {
    await close();
    throw error;
  }
}
