import { setTimeout as pause } from "node:timers/promises";
import pg from "pg";
import type { Random } from "./random.js";
import { INSERT } from "./readings.js";

/** Two connections that write until they are told to rest. */
export interface Writers {
  /** Transactions committed so far. */
  readonly committed: number;
  /** Resolves when no transaction is open. */
  rest(): Promise<void>;
  /** Goes on after `rest`. */
  resume(): void;
  /** Ends both connections. Throws what a writer failed with. */
  stop(): Promise<void>;
}

/** Milliseconds between two rounds: about a hundred transactions a second. */
const PACE_MS = 15;

/**
 * Writes transactions of 1 to 200 rows; a tenth is rolled back, some roll back to a savepoint, and
 * both connections commit at the same moment, so that commit records touch and transactions
 * interleave. `isExpected` says which failures are part of the test (the server was stopped):
 * after one the connections are made anew.
 */
export function startWriters(
  url: string,
  random: Random,
  isExpected: (error: unknown) => boolean = () => false,
): Writers {
  let committed = 0;
  let isStopping = false;
  let isResting = false;
  let hasRested = false;
  let wake: () => void = () => {};
  let onRest: () => void = () => {};
  const loop = (async () => {
    let clients: pg.Client[] = [];
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
        if (clients.length === 0) clients = await connectTwo(url);
        committed += await round(clients, random);
      } catch (error) {
        if (!isExpected(error)) throw error;
        for (const client of clients) client.end().catch(() => {});
        clients = [];
      }
      await pause(PACE_MS);
    }
    await Promise.all(clients.map((client) => client.end()));
  })();
  loop.catch(() => onRest());
  return {
    get committed() {
      return committed;
    },
    rest: () =>
      new Promise((resolve) => {
        if (hasRested) return resolve(); // since the last time, and nobody resumed it
        onRest = resolve;
        isResting = true;
      }),
    resume: () => {
      isResting = false;
      hasRested = false;
      wake();
    },
    stop: () => {
      isStopping = true;
      isResting = false;
      wake();
      return loop;
    },
  };
}

async function connectTwo(url: string): Promise<pg.Client[]> {
  const clients = [1, 2].map(
    () => new pg.Client({ connectionString: url, connectionTimeoutMillis: 5_000 }),
  );
  for (const client of clients) client.on("error", () => {}); // the next query reports it
  await Promise.all(clients.map((client) => client.connect()));
  return clients;
}

/** One transaction a connection, ended together. Returns how many were committed. */
async function round(clients: readonly pg.Client[], random: Random): Promise<number> {
  const endings = await Promise.all(
    clients.map(async (client) => {
      const rows = random.chance(0.5) ? random.between(1, 3) : random.between(1, 200);
      const hasSavepoint = random.chance(0.2);
      const ending = random.chance(0.1) ? "rollback" : "commit";
      await client.query("begin");
      await client.query(INSERT, [rows]);
      if (hasSavepoint) {
        await client.query("savepoint undone");
        await client.query(INSERT, [random.between(1, 20)]);
        await client.query("rollback to undone");
        await client.query("savepoint kept");
        await client.query(INSERT, [random.between(1, 20)]);
        await client.query("release kept");
      }
      return ending;
    }),
  );
  await Promise.all(clients.map((client, i) => client.query(endings[i] as string)));
  return endings.filter((ending) => ending === "commit").length;
}
