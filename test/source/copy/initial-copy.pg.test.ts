// The first start over tables that hold rows: they are copied in the snapshot of the new slot, and
// the changes after it follow. PostgreSQL is the oracle: after quiet points every view is what its
// SELECT gives, whoever writes meanwhile and wherever the process dies.
import { setTimeout as pause } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { eventually } from "../../services/eventually.js";
import { usePostgres } from "../../services/postgres.js";
import { openSql } from "../../services/sql.js";
import { fileWith, type TidemarkProcess, tidemark } from "../../services/tidemark-process.js";
import { type Random, seededRandom } from "../../torture/random.js";

const { url, sql } = await usePostgres();

const SELECTS = {
  by_key: `select k, count(*) as rows, sum(n) as total, max(m) as most from $ group by k`,
  by_minute: `select flag, date_trunc('minute', at) as minute, count(*) as rows, avg(n) as mean
              from $ group by 1, 2`,
} as const;

/** Writes a configuration whose pipeline has both views over each of the tables. */
function configOf(name: string, tables: readonly string[]): string {
  return fileWith(`
    import {
      avg, count, defineConfig, max, pipeline, postgres, slot, sum, tumbling,
    } from "tidemark";
    export default defineConfig(pipeline("${name}", { source: slot() }, (from) => {
      for (const table of ${JSON.stringify(tables)}) {
        const rows = from("public." + table, { eventTime: "at" });
        rows.groupBy("k").aggregate({ rows: count(), total: sum("n"), most: max("m") })
          .into(postgres.view(table + "_by_key"));
        rows.groupBy("flag").window(tumbling("1 minute", "minute"))
          .aggregate({ rows: count(), mean: avg("n") }).into(postgres.view(table + "_by_minute"));
      }
    }));`);
}

/** A table of `rows` rows; `identity` says what the log carries of old ones. */
async function fill(table: string, rows: number, identity = "default"): Promise<void> {
  await sql(`create table ${table} (id serial primary key, k text, flag boolean, at timestamptz,
    n integer, m numeric)`);
  await sql(`alter table ${table} replica identity ${identity}`);
  await insert(table, rows);
}

async function insert(table: string, rows: number, run = sql): Promise<void> {
  await run(
    `insert into ${table} (k, flag, at, n, m)
     select case when g % 9 = 0 then null else 'key \\ ' || g % 40 end, g % 3 = 0,
            timestamptz '2026-11-24 10:00Z' + g % 600 * interval '1 second',
            case when g % 7 = 0 then null else g % 100 end, round((random() * 1e4)::numeric, 2)
     from generate_series(1, $1::int) g`,
    [rows],
  );
}

async function differences(tables: readonly string[]): Promise<string[]> {
  const found: string[] = [];
  for (const table of tables) {
    for (const [view, select] of Object.entries(SELECTS)) {
      const wanted = select.replaceAll("$", table);
      const [row] = await sql(
        `with had as (table ${table}_${view}), wanted as (${wanted})
         select (select count(*)::int from (table had except all table wanted) a) +
                (select count(*)::int from (table wanted except all table had) b) as n`,
      );
      if (row?.["n"] !== 0) found.push(`${table}_${view}: ${row?.["n"]}`);
    }
  }
  return found;
}

async function untilEqual(tables: readonly string[], process: TidemarkProcess): Promise<void> {
  let last: string[] = [];
  await eventually(
    "the views are what their SELECTs give",
    async () => {
      last = await differences(tables);
      return last.length === 0;
    },
    { withinMs: 40_000, explain: () => `${last}\n${process.stderr}` },
  );
}

/** Changes rows of the tables in transactions of its own until it is stopped. */
function startWriters(tables: readonly string[], random: Random): () => Promise<void> {
  let isStopped = false;
  const write = async (): Promise<void> => {
    const session = openSql(url);
    while (!isStopped) {
      const table = tables[random.between(0, tables.length - 1)] as string;
      const some = `id % ${random.between(200, 400)} = ${random.between(0, 9)}`;
      const statement = [
        `update ${table} set n = n + 1, k = 'key ' || id % 50 where ${some}`,
        `delete from ${table} where ${some}`,
        `update ${table} set at = at + interval '1 minute', m = -m where ${some}`,
      ][random.between(0, 2)] as string;
      const end = random.chance(0.1) ? "rollback" : "commit";
      await session.sql("begin");
      await session.sql(statement);
      await insert(table, random.between(1, 60), session.sql);
      await session.sql(end);
    }
    await session.close();
  };
  const writing = Promise.all([write(), write()]);
  return async () => {
    isStopped = true;
    await writing;
  };
}

const ENV = { TIDEMARK_SOURCE_URL: url, TIDEMARK_CHECKPOINT_INTERVAL: "100ms" };

test("rows from before the slot and changes during the copy are all in the views", async () => {
  const tables = ["early", "whole"];
  await fill("early", 40_000);
  await fill("whole", 10_000, "full");
  const stop = startWriters(tables, seededRandom());
  onTestFinished(stop);
  const process = tidemark(["run", configOf("copied", tables)], { env: ENV });
  await process.logged("running");
  await stop();
  await untilEqual(tables, process);
  const { code, stderr } = await process.end("SIGTERM");
  expect(code, stderr).toBe(0);
  expect(process.log().map(({ msg }) => msg)).toContain("copying");
  const again = tidemark(["run", configOf("copied", tables)], { env: ENV });
  await again.logged("running");
  await insert("early", 10);
  await untilEqual(tables, again);
  expect(again.log().map(({ msg }) => msg)).not.toContain("copying");
}, 120_000);

test("a kill anywhere before the first checkpoint begins the copy anew", async () => {
  const tables = ["killed"];
  await fill("killed", 15_000);
  const random = seededRandom();
  const stop = startWriters(tables, random);
  onTestFinished(stop);
  const config = configOf("killed_copy", tables);
  const run = (env: Record<string, string> = {}): TidemarkProcess =>
    tidemark(["run", config], { env: { ...ENV, ...env } });
  for (const failpoint of [
    "slot-created=kill",
    "copying=kill@9",
    "results-committing=kill",
    "results-committed=kill",
    "checkpoint-staged=kill",
    "checkpoint-switched=kill",
  ]) {
    const process = run({ TIDEMARK_FAILPOINTS: failpoint, TIDEMARK_ALLOW_FAILPOINTS: "1" });
    expect((await process.ended).signal, process.stderr).toBe("SIGKILL");
    const [store] = await sql("select lsn from tidemark.checkpoint where pipeline = 'killed_copy'");
    if (failpoint !== "checkpoint-switched=kill") expect(store?.["lsn"], failpoint).toBeNull();
  }
  for (let kill = 0; kill < 2; kill++) {
    const process = run();
    await process.logged("starting");
    await pause(random.between(0, 900));
    await process.end("SIGKILL");
  }
  const last = run();
  await last.logged("running");
  await stop();
  await untilEqual(tables, last);
}, 180_000);
