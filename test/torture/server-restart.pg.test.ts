import { describe, expect, onTestFinished, test } from "vitest";
import type { StopMode } from "../../src/cli/embedded/postgres-server.js";
import { eventually } from "../services/eventually.js";
import { type OwnPostgres, ownPostgres } from "../services/postgres.js";
import { uniqueName } from "../services/shared-service.js";
import { openSql, type Sql } from "../services/sql.js";
import { fileWith, type TidemarkProcess, tidemark } from "../services/tidemark-process.js";
import { observe } from "./observer.js";
import { seededRandom } from "./random.js";
import { differences, readingsConfig, rowCounts, TABLE } from "./readings.js";
import type { Writers } from "./write-rounds.js";
import { startWriters } from "./writers.js";

/** What operators are promised about a fast stop of a server that is being read. */
const FAST_STOP_MS = 5_000;

const source = await ownPostgres({ settings: { track_commit_timestamp: "on" } });
const elsewhere = await ownPostgres();

interface Running {
  /** Of the database that is read. */
  readonly sql: Sql;
  readonly process: TidemarkProcess;
  readonly writers: Writers;
  /** Writers rest, then the views must become equal to the queries. */
  compare(): Promise<void>;
  /** Waits for so many more transactions. */
  load(transactions: number): Promise<void>;
}

async function databaseOn(server: OwnPostgres, name: string): Promise<{ url: string; sql: Sql }> {
  await server.sql(`create database ${name}`);
  const url = new URL(server.url);
  url.pathname = `/${name}`;
  const { sql, close } = openSql(url.href);
  onTestFinished(close);
  return { url: url.href, sql };
}

async function startUnderLoad(results: OwnPostgres): Promise<Running> {
  const name = uniqueName("restarted");
  const from = await databaseOn(source, name);
  const to = results === source ? from : await databaseOn(results, name);
  await from.sql(TABLE);
  const process = tidemark(["run", fileWith(readingsConfig(name))], {
    env: {
      TIDEMARK_SOURCE_URL: from.url,
      TIDEMARK_RESULTS_URL: to.url,
      TIDEMARK_CHECKPOINT_INTERVAL: "200ms",
      TIDEMARK_RETRY_MIN: "100ms",
      TIDEMARK_RETRY_MAX: "1s",
    },
  });
  await process.logged("running");
  const writers = startWriters(from.url, seededRandom(), () => true);
  const observer = observe({ source: from.url, results: to.url }, { pipeline: name });
  onTestFinished(async () => {
    await Promise.all([writers.stop(), observer.stop()]);
    await process.end("SIGKILL");
  });
  return {
    sql: from.sql,
    process,
    writers,
    async compare() {
      await writers.rest();
      let counts: unknown;
      const explain = (): string => `${JSON.stringify(counts)}\n${process.stderr}`;
      const haveAll = async (): Promise<boolean> => {
        const { committed, kept, byDevice, byRegion } = await rowCounts(from.sql, to.sql);
        counts = { committed, kept, byDevice, byRegion };
        return byRegion > committed || (byRegion === committed && byDevice === kept);
      };
      await eventually("the views have all rows", haveAll, { explain });
      expect(await differences(from.sql, to.sql)).toEqual({});
      expect(observer.violations).toEqual([]);
      expect(process.isRunning(), process.stderr).toBe(true);
    },
    async load(transactions) {
      writers.resume();
      const goal = writers.committed + transactions;
      await eventually(`${transactions} commits`, () => writers.committed >= goal);
    },
  };
}

async function timed(action: () => Promise<void>): Promise<number> {
  const before = performance.now();
  await action();
  return performance.now() - before;
}

describe.each([
  ["the same server", source],
  ["another server", elsewhere],
])("with results in %s", (_, results) => {
  test("a fast stop under load takes less than five seconds, and reading goes on", async () => {
    const running = await startUnderLoad(results);
    await running.load(50);
    expect(await timed(() => source.stop("fast"))).toBeLessThan(FAST_STOP_MS);
    await source.start();
    await running.load(50);
    await running.compare();
  });

  test("a fast stop while nothing happens takes less than five seconds", async () => {
    const running = await startUnderLoad(results);
    await running.load(20);
    await running.compare();
    // WAL that brings no row, so that the position has to be acknowledged for its own sake.
    await running.sql("create table unpublished ()");
    expect(await timed(() => source.stop("fast"))).toBeLessThan(FAST_STOP_MS);
    await source.start();
    await running.load(20);
    await running.compare();
  });

  test("FM17: a crash of the server loses nothing and repeats nothing", async () => {
    const running = await startUnderLoad(results);
    await running.load(50);
    await source.restart("immediate");
    await running.load(50);
    await running.compare();
  });
});

test("three restarts in a row under load are survived by one process", async () => {
  const running = await startUnderLoad(elsewhere);
  for (const mode of ["fast", "immediate", "fast"] satisfies StopMode[]) {
    await running.load(40);
    await source.restart(mode);
  }
  await running.load(40);
  await running.compare();
});

test("a restart of the results' server alone is survived", async () => {
  const running = await startUnderLoad(elsewhere);
  await running.load(40);
  await elsewhere.restart("immediate");
  await running.load(40);
  await elsewhere.restart("fast");
  await running.load(40);
  await running.compare();
});
