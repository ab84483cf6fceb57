import { expect, onTestFinished } from "vitest";
import { eventually } from "../services/eventually.js";
import { FaultProxy } from "../services/fault-proxy.js";
import type { OwnPostgres } from "../services/postgres.js";
import { uniqueName } from "../services/shared-service.js";
import { openSql, type Sql } from "../services/sql.js";
import { fileWith, type TidemarkProcess, tidemark } from "../services/tidemark-process.js";
import { observe } from "./observer.js";
import { seededRandom } from "./random.js";
import { differences, readingsConfig, rowCounts, TABLE } from "./readings.js";
import type { Sampling } from "./sampling.js";
import type { Writers } from "./write-rounds.js";
import { startWriters } from "./writers.js";

/** The three ways over the network. */
export type Leg = "source" | "results" | "checkpoint";
export const LEGS: readonly Leg[] = ["source", "results", "checkpoint"];

/** A pipeline under load whose every connection goes through a proxy. */
export interface ProxiedRun {
  readonly name: string;
  readonly proxies: Readonly<Record<Leg, FaultProxy>>;
  readonly process: TidemarkProcess;
  readonly writers: Writers;
  /** Of the databases that are read and written, past the proxies. */
  readonly source: Sql;
  readonly results: Sql;
  /** One more process of the same pipeline. */
  start(env?: Readonly<Record<string, string>>): TidemarkProcess;
  /** Waits for so many more commits. */
  load(transactions: number): Promise<void>;
  /** Writers rest, then the views must become equal to the queries, by way of this process. */
  compare(process?: TidemarkProcess): Promise<void>;
}

/** Source and results are two databases of one server; writers write past the proxies. */
export async function startProxied(
  server: OwnPostgres,
  env: Readonly<Record<string, string>> = {},
): Promise<ProxiedRun> {
  const name = uniqueName("proxied");
  const [from, to] = [await makeDatabase(server, name), await makeDatabase(server, `${name}_to`)];
  await from.sql(TABLE);
  const proxies = {
    source: await FaultProxy.before(from.url),
    results: await FaultProxy.before(to.url),
    checkpoint: await FaultProxy.before(to.url),
  };
  const config = fileWith(readingsConfig(name));
  const start: ProxiedRun["start"] = (more = {}) =>
    tidemark(["run", config], {
      env: {
        TIDEMARK_SOURCE_URL: proxies.source.url,
        TIDEMARK_RESULTS_URL: proxies.results.url,
        TIDEMARK_CHECKPOINT_URL: proxies.checkpoint.url,
        TIDEMARK_WAL_SENDER_TIMEOUT: "2s",
        TIDEMARK_FLUSH_INTERVAL: "20ms",
        TIDEMARK_CHECKPOINT_INTERVAL: "100ms",
        TIDEMARK_IDLE_CHECKPOINT_INTERVAL: "200ms",
        TIDEMARK_RETRY_MIN: "50ms",
        TIDEMARK_RETRY_MAX: "500ms",
        ...env,
        ...more,
      },
    });
  const process = start();
  await process.logged("running");
  const writers = startWriters(from.url, seededRandom());
  const observer = observe({ source: from.url, results: to.url }, { pipeline: name });
  onTestFinished(async () => {
    await Promise.all([writers.stop(), observer.stop()]);
    await process.end("SIGKILL");
    await Promise.all(Object.values(proxies).map((proxy) => proxy.close()));
  });
  return {
    ...{ name, proxies, process, writers, start, source: from.sql, results: to.sql },
    load: async (transactions) => {
      writers.resume();
      const goal = writers.committed + transactions;
      await eventually(`${transactions} commits`, () => writers.committed >= goal);
    },
    compare: (by = process) => compare({ from: from.sql, to: to.sql, writers, observer }, by),
  };
}

interface Compared {
  readonly from: Sql;
  readonly to: Sql;
  readonly writers: Writers;
  readonly observer: Sampling;
}

async function compare(
  { from, to, writers, observer }: Compared,
  process: TidemarkProcess,
): Promise<void> {
  await writers.rest();
  let counts: unknown;
  const explain = (): string => `${JSON.stringify(counts)}\n${process.stderr}`;
  const haveAll = async (): Promise<boolean> => {
    const { committed, kept, byDevice, byRegion } = await rowCounts(from, to);
    counts = { committed, kept, byDevice, byRegion };
    return byRegion > committed || (byRegion === committed && byDevice === kept);
  };
  await eventually("the views have all rows", haveAll, { withinMs: 60_000, explain });
  expect(await differences(from, to)).toEqual({});
  expect(observer.violations).toEqual([]);
  expect(process.isRunning(), process.stderr).toBe(true);
}

async function makeDatabase(server: OwnPostgres, name: string): Promise<{ url: string; sql: Sql }> {
  await server.sql(`create database ${name}`);
  const url = new URL(server.url);
  url.pathname = `/${name}`;
  const { sql, close } = openSql(url.href);
  onTestFinished(close);
  return { url: url.href, sql };
}
