import pg from "pg";

/** What another connection sees of a backend, as far as that tells whether it works for us. */
export interface BackendFacts {
  /** False behind a pooler, whose PIDs are no backends: then nothing can be told. */
  readonly isDirect: boolean;
  /** As in pg_stat_activity; null when there is no such backend (of this role) any more. */
  readonly state: string | null;
  /** Whether it waits for bytes to come from us, or to be taken by us. */
  readonly isWaitingForClient: boolean;
  /** How long it has been in its state, by the server's clock (milliseconds). */
  readonly unchangedMs: number;
}

/** Instead of facts: the server answered but told nothing, or it did not answer at all. */
export type NoFacts = "refused" | "silent";

/** How to ask. */
export interface BackendQuestion {
  /** Of a connection to the same server, as the same role. */
  readonly config: pg.ClientConfig;
  /** The backend's PID and application name, as it was told them. */
  readonly pid: number;
  readonly applicationName: string;
  /** How long connecting may take, and how long the answer (milliseconds). */
  readonly timeoutMs: number;
}

const LOOK = `
  select pg_backend_pid() = $2 as direct, state,
         coalesce(state <> 'active' or wait_event_type = 'Client', false) as waits,
         coalesce(extract(epoch from clock_timestamp() - state_change) * 1000, 0)::float8 as ms
  from (select) as one left join pg_stat_activity on pid = $1`;

const TERMINATE = `
  select pg_terminate_backend(pid) from pg_stat_activity
  where pid = $1 and application_name = $2 and (state <> 'active' or wait_event_type = 'Client')`;

/** Looks at a backend from a connection of its own, which is closed again. Never rejects. */
export function readBackend(question: BackendQuestion): Promise<BackendFacts | NoFacts> {
  return overConnection(question, async (client, own) => {
    const { rows } = await client.query(LOOK, [question.pid, own]);
    const { direct, state, waits, ms } = rows[0];
    return { isDirect: direct, state, isWaitingForClient: waits, unchangedMs: ms };
  });
}

/** Ends a backend that waits for us in vain, so that its locks go. Never rejects. */
export async function endBackend(question: BackendQuestion): Promise<void> {
  const { pid, applicationName } = question;
  await overConnection(question, (client) => client.query(TERMINATE, [pid, applicationName]));
}

async function overConnection<T>(
  { config, timeoutMs }: BackendQuestion,
  use: (client: pg.Client, ownPid: number | null) => Promise<T>,
): Promise<T | NoFacts> {
  const timeouts = { connectionTimeoutMillis: timeoutMs, query_timeout: timeoutMs };
  const client = new pg.Client({ ...config, ...timeouts });
  client.on("error", () => {}); // shows itself at the query
  try {
    await client.connect();
    const { processID } = client as unknown as { processID: number | null };
    return await use(client, processID);
  } catch (error) {
    return error instanceof pg.DatabaseError ? "refused" : "silent";
  } finally {
    client.end().catch(() => {}); // never connected, or lost: nothing to end
  }
}
