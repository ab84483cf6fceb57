import type { Socket } from "node:net";
import pg from "pg";
import { TidemarkError } from "../core/errors.js";
import { fromPostgres, type PostgresRole } from "../core/postgres-errors.js";
import type { SqlConnect, SqlRow, SqlSession } from "../core/sql.js";
import { AnswerWatch } from "./answer-watch.js";
import { type BackendQuestion, endBackend, readBackend } from "./backend-facts.js";

export interface SqlClientOptions {
  readonly url: string;
  readonly role: PostgresRole;
  readonly applicationName: string;
  /** Milliseconds to wait for the server to accept the connection. */
  readonly connectTimeoutMs?: number;
  /**
   * Milliseconds without an answer after which the server is asked, over another connection,
   * whether it still works on one (answer-watch.ts). 10 s when absent.
   */
  readonly probeAfterMs?: number;
}

const CONNECT_TIMEOUT_MS = 10_000;
const PROBE_AFTER_MS = 10_000;

/** How long a session may take to end. */
const END_MS = 2_000;

// The last four make the server notice a client that vanished, so that its locks do not stay.
const SESSION_OPTIONS: Readonly<Record<string, string>> = {
  synchronous_commit: "on",
  timezone: "UTC",
  datestyle: "ISO",
  idle_in_transaction_session_timeout: "30s",
  tcp_keepalives_idle: "10",
  tcp_keepalives_interval: "5",
  tcp_keepalives_count: "3",
};

/**
 * Connection settings that every connection of Tidemark shares. `settings` of the session come
 * after those that the URL has in its `options`, and so prevail.
 */
export function clientConfig(
  url: string,
  settings: Readonly<Record<string, string>>,
  connectTimeoutMs: number = CONNECT_TIMEOUT_MS,
): pg.ClientConfig {
  const target = URL.canParse(url) ? new URL(url) : null;
  if (target === null) {
    throw new TidemarkError(
      "CONFIG_INVALID",
      "A connection URL cannot be read; special characters in its password have to be written " +
        "in percent encoding.",
    );
  }
  const own = Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`);
  const given = target.searchParams.get("options");
  target.searchParams.delete("options"); // pg would take these instead of ours
  return {
    connectionString: given === null ? url : target.href,
    connectionTimeoutMillis: connectTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: 10_000,
    enableChannelBinding: true,
    options: [given ?? "", ...own].join(" ").trim(),
  };
}

function socketOf(client: pg.Client): Socket {
  return (client as unknown as { connection: { stream: Socket } }).connection.stream;
}

/** Watches over the answers of a connected client, from connections like its own. */
function watchOver(client: pg.Client, options: SqlClientOptions): AnswerWatch {
  const { probeAfterMs: afterMs = PROBE_AFTER_MS, applicationName } = options;
  const { connectTimeoutMs = CONNECT_TIMEOUT_MS } = options;
  const { processID } = client as unknown as { processID: number };
  const question: BackendQuestion = {
    config: {
      ...clientConfig(options.url, SESSION_OPTIONS),
      application_name: `${applicationName} probe`,
    },
    pid: processID,
    applicationName,
    timeoutMs: connectTimeoutMs,
  };
  return new AnswerWatch({
    socket: socketOf(client),
    afterMs,
    ask: () => readBackend(question),
    onLost: () => void endBackend(question),
  });
}

/** Opens plain SQL sessions to one database. `synchronous_commit` is on whatever the role says. */
export function sqlConnect(options: SqlClientOptions): SqlConnect {
  const { role } = options;
  return async (): Promise<SqlSession> => {
    const client = new pg.Client({
      ...clientConfig(options.url, SESSION_OPTIONS, options.connectTimeoutMs),
      application_name: options.applicationName,
      pipeline: true,
    });
    // A session lost while idle shows itself at the next query, which then fails.
    client.on("error", () => {});
    try {
      await client.connect();
    } catch (error) {
      throw fromPostgres(error, role);
    }
    const answers = watchOver(client, options);
    return {
      async query(text, values, name) {
        try {
          const statement = client.query({
            text,
            ...(values === undefined ? {} : { values: values as unknown[] }),
            ...(name === undefined ? {} : { name }),
          });
          const result = await answers.over(statement);
          return result.rows as SqlRow[];
        } catch (error) {
          throw fromPostgres(error, role);
        }
      },
      async end() {
        const isAnswered = await Promise.race([
          client.end().then(
            () => true,
            () => true, // already lost: nothing to end
          ),
          new Promise<boolean>((resolve) => setTimeout(() => resolve(false), END_MS).unref()),
        ]);
        // A query that hangs, or a server that is gone, would keep `end` waiting for ever.
        if (!isAnswered) socketOf(client).destroy();
      },
    };
  };
}
