import { afterAll } from "vitest";
import type { PostgresVersion } from "../../src/cli/embedded/postgres-binaries.js";
import {
  type PostgresServer,
  type PostgresServerOptions,
  startPostgres,
} from "../../src/cli/embedded/postgres-server.js";
import { sharedService, uniqueName } from "./shared-service.js";
import { openSql, type Sql } from "./sql.js";

/** A database of the test file's own, dropped with its slots after the file's last test. */
export interface TestDatabase {
  readonly name: string;
  readonly url: string;
  readonly sql: Sql;
}

/** A server with a database for the test file that asked. */
export interface TestPostgres extends TestDatabase {
  /** Another database on the same server. */
  createDatabase(): Promise<TestDatabase>;
}

/** A server that the test may stop, kill and restart. */
export interface OwnPostgres extends PostgresServer {
  readonly sql: Sql;
}

/** What a test file needs of its server. */
export interface TestPostgresOptions {
  readonly version?: PostgresVersion;
  /** Asking for settings means a server of its own. */
  readonly settings?: Readonly<Record<string, string>>;
}

/** A database on the server of this test run; call it at the top of a test file. */
export async function usePostgres(options: TestPostgresOptions = {}): Promise<TestPostgres> {
  const serverUrl =
    options.settings === undefined
      ? await sharedService(`postgres/${options.version ?? 18}`)
      : (await ownPostgres(options)).url;
  const createDatabase = (): Promise<TestDatabase> => makeDatabase(serverUrl);
  return { ...(await createDatabase()), createDatabase };
}

/** A server from binaries that belongs to the test file alone. */
export async function ownPostgres(options: PostgresServerOptions = {}): Promise<OwnPostgres> {
  const settings = { fsync: "off", ...options.settings };
  const server = await startPostgres({ ...options, settings });
  const { sql, close } = openSql(server.url);
  afterAll(async () => {
    await close();
    await server.close();
  });
  return { ...server, sql };
}

async function makeDatabase(serverUrl: string): Promise<TestDatabase> {
  const name = uniqueName("test");
  const server = openSql(serverUrl);
  await server.sql(`create database ${name}`);
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const session = openSql(url.href);
  afterAll(async () => {
    await session.close();
    await dropDatabase(server.sql, name);
    await server.close();
  });
  return { name, url: url.href, sql: session.sql };
}

// A slot outlives its reader by a moment, so dropping it is tried until the walsender has gone.
async function dropDatabase(sql: Sql, name: string): Promise<void> {
  for (let attempt = 0; attempt < 100; attempt += 1) {
    await sql("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1", [name]);
    const drop = `select pg_drop_replication_slot(slot_name) from pg_replication_slots
                   where database = $1 and not active`;
    await sql(drop, [name]).catch(() => {});
    const slots = await sql("select 1 from pg_replication_slots where database = $1", [name]);
    if (slots.length === 0) break;
    await sql("select pg_sleep(0.05)");
  }
  await sql(`drop database if exists ${name} with (force)`);
}
