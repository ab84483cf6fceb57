// Somebody else lays hands on the slot or its WAL, while the pipeline runs and while it is down.
import pg from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import { eventually } from "../services/eventually.js";
import { ownPostgres } from "../services/postgres.js";
import { endsWith, type PlainRun, plainRun } from "./plain-run.js";

const source = await ownPostgres({
  settings: {
    track_commit_timestamp: "on",
    max_slot_wal_keep_size: "1MB",
    wal_keep_size: "0",
    max_replication_slots: "20",
  },
});

/** Takes the slot away from its reader, and does this with it before the reader is back. */
async function seize({ sql, slot }: PlainRun, statement: string): Promise<void> {
  const end = `select pg_terminate_backend(active_pid) from pg_replication_slots
               where slot_name = $1 and active`;
  await eventually("the slot is ours", async () => {
    await sql(end, [slot]);
    await sql(statement, [slot]);
    return true;
  });
}

const DROP = "select pg_drop_replication_slot($1)";
const MAKE = "select pg_create_logical_replication_slot($1, 'pgoutput')";
const ADVANCE = "select pg_replication_slot_advance($1, pg_current_wal_lsn())";
/** The reader leaves this much time. */
const SLOW_RETRY = { TIDEMARK_RETRY_MIN: "1s", TIDEMARK_RETRY_MAX: "1s" };

describe("a slot that is read", () => {
  test("cannot be dropped; taken away and dropped it is SLOT_MISSING", async () => {
    const run = await plainRun({ source });
    const process = await run.running(SLOW_RETRY);
    await expect(run.sql(DROP, [run.slot])).rejects.toThrow(/is active/);
    await run.insert(50);
    await run.compare(process);
    await seize(run, DROP);
    await endsWith(process, "SLOT_MISSING", "NEEDS_RESYNC");
  });

  test("and is dropped and made anew is SLOT_AHEAD", async () => {
    const run = await plainRun({ source });
    const process = await run.running(SLOW_RETRY);
    await run.insert(50);
    await run.compare(process);
    await seize(run, DROP);
    await run.insert(5);
    await run.sql(MAKE, [run.slot]);
    await endsWith(process, "SLOT_AHEAD", "NEEDS_RESYNC");
  });

  test("and is advanced by hand is SLOT_AHEAD", async () => {
    const run = await plainRun({ source });
    const process = await run.running(SLOW_RETRY);
    await run.insert(50);
    await run.compare(process);
    await seize(run, ADVANCE);
    await endsWith(process, "SLOT_AHEAD", "NEEDS_RESYNC");
  });

  test("and whose WAL is removed, because results are stuck, is SLOT_LOST", async () => {
    const run = await plainRun({ source });
    const process = await run.running();
    await run.insert(50);
    await run.compare(process);
    const locker = new pg.Client({ connectionString: run.resultsUrl });
    await locker.connect();
    onTestFinished(() => locker.end());
    await locker.query("begin; lock table by_device in access exclusive mode");
    await run.insert(10);
    await loseWal(run);
    await locker.query("commit");
    await endsWith(process, "SLOT_LOST", "NEEDS_RESYNC");
  });
});

describe("a slot that nobody reads", () => {
  test("and is left alone beyond idle_replication_slot_timeout is SLOT_LOST", async () => {
    const run = await plainRun({ source });
    const first = await run.running();
    await run.insert(50);
    await run.compare(first);
    await first.end("SIGTERM");
    await source.sql("alter system set idle_replication_slot_timeout = '1s'");
    await source.sql("select pg_reload_conf()");
    onTestFinished(async () => {
      await source.sql("alter system reset idle_replication_slot_timeout");
      await source.sql("select pg_reload_conf()");
    });
    const isLost = async (): Promise<boolean> => {
      await source.sql("checkpoint");
      const [slot] = await source.sql(
        "select invalidation_reason as why from pg_replication_slots where slot_name = $1",
        [run.slot],
      );
      return slot?.["why"] === "idle_timeout";
    };
    await eventually("the slot is invalidated", isLost);
    const second = await endsWith(run.start(), "SLOT_LOST", "NEEDS_RESYNC");
    expect(second.stderr).toContain("idle_timeout");
  });
});

describe("changes that were made while the publication did not exist", () => {
  test.each(["while the pipeline runs", "while it is down"])(
    "%s are not passed over in silence",
    async (when) => {
      const run = await plainRun({ source });
      let process = await run.running();
      await run.insert(50);
      await run.compare(process);
      if (when === "while it is down") await process.end("SIGTERM");
      const [publication] = await run.sql("select pubname as name from pg_publication");
      const name = String(publication?.["name"]);
      await run.sql(`drop publication ${name}`);
      await run.insert(5);
      await run.sql(`create publication ${name} for table readings`);
      await run.insert(5);
      if (when === "while it is down") process = run.start();
      await endsWith(process, "PUBLICATION_MISSING", "FAILED");
      const [row] = await run.results("select sum(rows)::int as rows from by_region");
      expect(row).toEqual({ rows: 50 });
    },
  );
});

/** Writes more WAL than the slot may keep, and has the server remove it. */
async function loseWal({ slot }: PlainRun): Promise<void> {
  const isLost = async (): Promise<boolean> => {
    await source.sql("select pg_logical_emit_message(false, 'test', 'fill')");
    await source.sql("select pg_switch_wal()");
    await source.sql("checkpoint");
    const [row] = await source.sql(
      "select wal_status from pg_replication_slots where slot_name = $1",
      [slot],
    );
    return row?.["wal_status"] === "lost";
  };
  await eventually("the WAL is gone", isLost);
}
