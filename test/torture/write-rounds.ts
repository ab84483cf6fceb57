import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";

/** Connections that write until they are told to rest. */
export interface Writers {
  /** Transactions whose commit was confirmed. */
  readonly committed: number;
  readonly rolledBack: number;
  /** Resolves when no transaction is open. */
  rest(): Promise<void>;
  /** Goes on after `rest`. */
  resume(): void;
  /** Ends all connections. Throws what a writer failed with. */
  stop(): Promise<void>;
}

/** How a transaction ends. */
export type Ending = "commit" | "rollback";

/** What is written, and how. */
export interface WriteRounds {
  readonly connections: number;
  /** Pause between two rounds, in milliseconds. */
  readonly paceMs: number;
  /** Everything of one transaction on the connection `lane` but its end, which is returned. */
  readonly write: (client: pg.Client, lane: number) => Promise<Ending>;
  /** Now and then, on one connection, between two rounds. */
  readonly between?: (client: pg.Client) => Promise<void>;
  /** Which failures are part of the test: after one the connections are made anew. */
  readonly isExpected: (error: unknown) => boolean;
  readonly beginsAtRest?: boolean;
}

/**
 * Writes rounds: each connection its transaction, all at the same time, so that they interleave,
 * and all ended together, so that commit records touch.
 */
export function writeRounds(url: string, rounds: WriteRounds): Writers {
  const counts = { commit: 0, rollback: 0 };
  let clients: pg.Client[] = [];
  let isStopping = false;
  let isResting = rounds.beginsAtRest ?? false;
  let hasRested = false;
  let wake: () => void = () => {};
  let onRest: () => void = () => {};

  async function round(): Promise<void> {
    if (clients.length === 0) clients = await connect(url, rounds.connections);
    const endings = await Promise.all(clients.map(rounds.write));
    await Promise.all(clients.map((client, i) => client.query(endings[i] as string)));
    for (const ending of endings) counts[ending]++;
    const [client] = clients;
    if (client !== undefined) await rounds.between?.(client);
  }

  const loop = (async () => {
    while (!isStopping) {
      if (isResting) {
        hasRested = true;
        onRest();
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
        continue;
      }
      try {
        await round();
      } catch (error) {
        if (!rounds.isExpected(error)) throw error;
        for (const client of clients) client.end().catch(() => {});
        clients = [];
      }
      await pause(rounds.paceMs);
    }
    await Promise.all(clients.map((client) => client.end()));
  })();
  loop.catch(() => onRest()); // `stop` tells why
  const goOn = (): void => {
    isResting = false;
    hasRested = false;
    wake();
  };
  return {
    get committed() {
      return counts.commit;
    },
    get rolledBack() {
      return counts.rollback;
    },
    rest: () =>
      new Promise((resolve) => {
        if (hasRested) return resolve(); // since the last time, and nobody resumed it
        onRest = resolve;
        isResting = true;
      }),
    resume: goOn,
    stop: () => {
      isStopping = true;
      goOn();
      return loop;
    },
  };
}

async function connect(url: string, count: number): Promise<pg.Client[]> {
  const clients = Array.from(
    { length: count },
    () => new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 }),
  );
  for (const client of clients) client.on("error", () => {}); // the next query reports it
  await Promise.all(clients.map((client) => client.connect()));
  return clients;
}
