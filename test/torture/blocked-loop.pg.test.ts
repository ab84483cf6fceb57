import { expect, test } from "vitest";
import { ownPostgres } from "../services/postgres.js";
import { plainRun } from "./plain-run.js";

const source = await ownPostgres({ settings: { track_commit_timestamp: "on" } });

/** A function of a user that keeps the process busy for three times as long as the server waits. */
const SPIN = `.filter((row) => {
  for (const end = performance.now() + 3_000; row.device === 99 && performance.now() < end; );
  return row.is_kept;
})`;

test("a function that blocks beyond wal_sender_timeout costs a connection, no row", async () => {
  const run = await plainRun({
    source,
    change: (text) => text.replace(".filter((row) => row.is_kept)", SPIN),
    env: { TIDEMARK_WAL_SENDER_TIMEOUT: "1s" },
  });
  const process = await run.running();
  await run.insert(100);
  await run.sql(
    "insert into readings (device, region, is_kept, at, amount) values (99, 'x', true, now(), 1)",
  );
  await run.insert(100);
  await process.logged("running", 2);
  await run.compare(process);
  expect((await process.end("SIGTERM")).code, process.stderr).toBe(0);
}, 60_000);
