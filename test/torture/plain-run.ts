import { expect, onTestFinished } from "vitest";
import { ERROR_CODES, type ErrorCode } from "../../src/core/error-codes.js";
import { eventually } from "../services/eventually.js";
import type { OwnPostgres } from "../services/postgres.js";
import { uniqueName } from "../services/shared-service.js";
import { openSql, type Sql } from "../services/sql.js";
import {
  type Ending,
  fileWith,
  type TidemarkProcess,
  tidemark,
} from "../services/tidemark-process.js";
import { differences, INSERT, readingsConfig, rowCounts, TABLE } from "./readings.js";

/** A pipeline on servers of the test's own, without load but what the test writes. */
export interface PlainRun {
  readonly name: string;
  readonly slot: string;
  /** Of the databases that are read and written. */
  readonly sql: Sql;
  readonly results: Sql;
  readonly resultsUrl: string;
  /** Starts the pipeline. */
  start(env?: Readonly<Record<string, string>>): TidemarkProcess;
  /** Starts it and waits until it reads. */
  running(env?: Readonly<Record<string, string>>): Promise<TidemarkProcess>;
  insert(rows: number): Promise<unknown>;
  /** The views become equal to the queries. */
  compare(process: TidemarkProcess, withinMs?: number): Promise<void>;
}

export interface PlainRunOptions {
  readonly source: OwnPostgres;
  /** Another server for the results and checkpoints; the source's when absent. */
  readonly results?: OwnPostgres;
  /** Changes the text of the configuration. */
  readonly change?: (config: string) => string;
  readonly env?: Readonly<Record<string, string>>;
}

/** Prepares databases and a configuration; nothing runs yet. */
export async function plainRun(options: PlainRunOptions): Promise<PlainRun> {
  const { source, results = source, change = (text: string) => text, env = {} } = options;
  const name = uniqueName("plain");
  const from = await database(source, name);
  const to = results === source ? from : await database(results, name);
  await from.sql(TABLE);
  const config = fileWith(change(readingsConfig(name)));
  const start: PlainRun["start"] = (more = {}) =>
    tidemark(["run", config], {
      env: {
        TIDEMARK_SOURCE_URL: from.url,
        TIDEMARK_RESULTS_URL: to.url,
        TIDEMARK_FLUSH_INTERVAL: "20ms",
        TIDEMARK_CHECKPOINT_INTERVAL: "100ms",
        TIDEMARK_IDLE_CHECKPOINT_INTERVAL: "200ms",
        TIDEMARK_RETRY_MIN: "50ms",
        TIDEMARK_RETRY_MAX: "500ms",
        ...env,
        ...more,
      },
    });
  return {
    ...{ name, slot: `tidemark_${name}`, sql: from.sql, results: to.sql, start },
    resultsUrl: to.url,
    running: async (more) => {
      const process = start(more);
      await process.logged("running");
      return process;
    },
    insert: (rows) => from.sql(INSERT, [rows]),
    compare: async (process, withinMs = 30_000) => {
      let counts: unknown;
      const explain = (): string => `${JSON.stringify(counts)}\n${process.stderr}`;
      const haveAll = async (): Promise<boolean> => {
        const { committed, kept, byDevice, byRegion } = await rowCounts(from.sql, to.sql);
        counts = { committed, kept, byDevice, byRegion };
        return byRegion > committed || (byRegion === committed && byDevice === kept);
      };
      await eventually("the views have all rows", haveAll, { withinMs, explain });
      expect(await differences(from.sql, to.sql)).toEqual({});
    },
  };
}

/** The process ends by itself with this code, its exit code, and a state of that name. */
export async function endsWith(
  process: TidemarkProcess,
  code: ErrorCode,
  state: string,
): Promise<Ending> {
  const ending = await process.ended;
  expect(ending.stderr).toContain(`[${code}]`);
  expect(ending.code, ending.stderr).toBe(ERROR_CODES[code].exitCode);
  expect(process.log().at(-1)).toMatchObject({ msg: "ended", state, code });
  return ending;
}

async function database(server: OwnPostgres, name: string): Promise<{ url: string; sql: Sql }> {
  await server.sql(`create database ${name}`);
  const url = new URL(server.url);
  url.pathname = `/${name}`;
  const { sql, close } = openSql(url.href);
  onTestFinished(close);
  return { url: url.href, sql };
}
