import type { Random } from "./random.js";
import { INSERT } from "./readings.js";
import { type Writers, writeRounds } from "./write-rounds.js";

/** About a hundred transactions a second. */
const PACE_MS = 15;

/**
 * Two connections write transactions of 1 to 200 rows; a tenth is rolled back, some roll back to a
 * savepoint. `isExpected` says which failures are part of the test (the server was stopped).
 */
export function startWriters(
  url: string,
  random: Random,
  isExpected: (error: unknown) => boolean = () => false,
): Writers {
  return writeRounds(url, {
    connections: 2,
    paceMs: PACE_MS,
    isExpected,
    write: async (client) => {
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
    },
  });
}
