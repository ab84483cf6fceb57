// A process that is stopped (SIGSTOP) and wakes up after its successor has taken over.
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { eventually } from "../services/eventually.js";
import { LONG_FORM } from "../services/long-form.js";
import { ownPostgres } from "../services/postgres.js";
import { endsWith, type PlainRun, plainRun } from "./plain-run.js";

const source = await ownPostgres({ settings: { track_commit_timestamp: "on" } });

/** How long the process stays frozen after its successor has taken over. */
const FROZEN_MS = LONG_FORM ? 120_000 : 0;

const END_WALSENDER = `select pg_terminate_backend(active_pid) from pg_replication_slots
  where slot_name = $1`;

test.each([
  ["a silent server", "1s"],
  ["rows in its socket", "20s"],
])(
  "a zombie that wakes up to %s is FENCED, and leaves no trace",
  async (_, walSenderTimeout) => {
    const run = await plainRun({
      source,
      env: {
        TIDEMARK_WAL_SENDER_TIMEOUT: walSenderTimeout,
        TIDEMARK_IDLE_CHECKPOINT_INTERVAL: "1min",
      },
    });
    const zombie = await run.running();
    await run.insert(50);
    await run.compare(zombie);
    // Frozen inside a transaction it would keep its successor waiting until the server ends that.
    await eventually("it has nothing to do", () => isSaved(run), { explain: () => zombie.stderr });
    zombie.signal("SIGSTOP");
    await run.insert(50);

    const successor = run.start();
    // It waits for the slot: until the server takes it from the silent one, or an operator does.
    if (walSenderTimeout === "20s") await run.sql(END_WALSENDER, [run.slot]);
    await successor.logged("running");
    await run.insert(50);
    await run.compare(successor);
    await pause(FROZEN_MS);

    zombie.signal("SIGCONT");
    await endsWith(zombie, "FENCED", "FENCED");
    await run.insert(50);
    await run.compare(successor);
    expect((await successor.end("SIGTERM")).code, successor.stderr).toBe(0);
  },
  FROZEN_MS + 60_000,
);

/** Its state is posted, and the slot has been told of all that the results have. */
async function isSaved({ sql, results, name, slot }: PlainRun): Promise<boolean> {
  const [state] = await results("select 1 as one from tidemark.run_state where pipeline = $1", [
    name,
  ]);
  if (state === undefined) return false;
  const [progress] = await results("select lsn from tidemark.progress where pipeline = $1", [name]);
  const [row] = await sql(
    "select confirmed_flush_lsn >= $2 as is_saved from pg_replication_slots where slot_name = $1",
    [slot, progress?.["lsn"]],
  );
  return row?.["is_saved"] === true;
}
