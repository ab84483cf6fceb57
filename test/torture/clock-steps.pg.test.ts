// The wall clock is set an hour ahead and an hour back: ours, and the source's.
import { chmodSync } from "node:fs";
import { dirname } from "node:path";
import { beforeEach, expect, onTestFinished, test } from "vitest";
import { startPostgres } from "../../src/cli/embedded/postgres-server.js";
import { FAKETIME, type FakeClock, fakeClock } from "../services/faketime.js";
import { type OwnPostgres, ownPostgres } from "../services/postgres.js";
import { openSql } from "../services/sql.js";
import { plainRun } from "./plain-run.js";

const WITHOUT = "libfaketime is not installed (apt-get install faketime)";
const source = await ownPostgres({ settings: { track_commit_timestamp: "on" } });

// Said in the report of the run, never passed over in silence.
beforeEach(({ skip }) => skip(FAKETIME === null, WITHOUT));

const STEPS = ["+3600", "-3600", "+0"];

test("steps of our own clock change no result and end no connection", async () => {
  const clock = fakeClock();
  const run = await plainRun({ source, env: clock.env });
  const process = await run.running();
  for (const offset of STEPS) {
    clock.move(offset);
    await run.insert(50);
    await run.compare(process);
  }
  // Its log has the time that it was given.
  const times = process.log().map((line) => Number(line["time"]));
  expect(Math.abs((times[0] ?? 0) - Date.now())).toBeLessThan(600_000);
  expect(process.log().filter(({ msg }) => msg === "running")).toHaveLength(1);
  clock.move("+3600");
  expect((await process.end("SIGTERM")).code, process.stderr).toBe(0);
  expect(Number(process.log().at(-1)?.["time"]) - Date.now()).toBeGreaterThan(3_000_000);

  clock.move("-3600");
  const next = await run.running();
  await run.insert(50);
  await run.compare(next);
}, 60_000);

test("steps of the source's clock move commit times, and windows follow these", async () => {
  const clock = fakeClock();
  const server = await withClock(clock);
  const run = await plainRun({ source: server, results: source });
  const process = await run.running();
  for (const offset of STEPS) {
    clock.move(offset);
    await run.insert(50);
    await run.compare(process);
  }
  const [row] = await run.results(
    "select extract(epoch from max(second) - min(second))::int as apart from by_region",
  );
  expect(row?.["apart"]).toBeGreaterThanOrEqual(7_000);
  expect((await process.end("SIGTERM")).code, process.stderr).toBe(0);
}, 60_000);

/** A server that lives by this clock. It takes its environment from this process. */
async function withClock({ env }: FakeClock): Promise<OwnPostgres> {
  chmodSync(dirname(String(env["FAKETIME_TIMESTAMP_FILE"])), 0o755);
  Object.assign(process.env, env);
  try {
    const settings = { fsync: "off", track_commit_timestamp: "on" };
    const server = await startPostgres({ settings });
    const { sql, close } = openSql(server.url);
    onTestFinished(async () => {
      await close();
      await server.close();
    });
    return { ...server, sql };
  } finally {
    for (const name of Object.keys(env)) delete process.env[name];
  }
}
