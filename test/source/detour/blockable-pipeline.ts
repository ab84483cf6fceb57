import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished } from "vitest";
import { parseLsn } from "../../../src/index.js";
import { Recording } from "../../../src/source/recording/recording.js";
import { eventually } from "../../services/eventually.js";
import type { OwnPostgres } from "../../services/postgres.js";
import { openSql } from "../../services/sql.js";
import { fileWith, type TidemarkProcess, tidemark } from "../../services/tidemark-process.js";

const BUDGET_BYTES = 2 ** 20;

interface Servers {
  readonly source: OwnPostgres;
  readonly results: OwnPostgres;
}

interface Positions {
  readonly confirmed: bigint;
  readonly checkpoint: bigint;
}

/** A pipeline whose results can be blocked. */
interface BlockablePipeline {
  /** `patience` of its WAL budget, 1s if absent. */
  run(patience?: string): TidemarkProcess;
  insert(rows: number): Promise<void>;
  /** Inserts until the log has a line. */
  insertUntil(process: TidemarkProcess, msg: RegExp): Promise<void>;
  /** Keeps everyone from writing results, until the function is called that it returns. */
  block(): Promise<() => Promise<void>>;
  positions(): Promise<Positions>;
  /**
   * Waits until the slot has passed both the checkpoint and `after`; fails when it passes what is
   * recorded.
   */
  movesBeyond(process: TidemarkProcess, after?: bigint): Promise<bigint>;
  /** Waits until everything inserted has arrived, and proves that it came once. */
  allArrived(process: TidemarkProcess): Promise<void>;
  /** What is in the folder of its detour. */
  detourFiles(): string[];
}

/**
 * A pipeline that counts rows in a view and copies their ids, whose results can be blocked. The
 * option `detour` is `detour`, with the test's folder for `DIR`; null for none.
 */
export async function openBlockable(
  servers: Servers,
  name: string,
  detour: string | null,
): Promise<BlockablePipeline> {
  const { source, results } = servers;
  await source.sql(`create table ${name} (id bigint primary key, shop integer, pad text)`);
  const dir = mkdtempSync(join(tmpdir(), "tidemark-detour-"));
  onTestFinished(() => rmSync(dir, { recursive: true, force: true }));
  const folder = join(dir, `tidemark_${name}`);
  const run = (patience = "1s"): TidemarkProcess => {
    const option = detour === null ? "" : `detour: ${detour.replace("DIR", JSON.stringify(dir))}`;
    const config = fileWith(configText(name, `patience: "${patience}", ${option}`));
    return tidemark(["run", config], { env: environment(servers) });
  };
  let last = 0;
  const insert = async (rows: number): Promise<void> => {
    await source.sql(
      `insert into ${name}
       select id, id % 7, (select string_agg(md5(id || '/' || k), '') from generate_series(1, 60) k)
       from generate_series($1::int, $2::int) id`,
      [last + 1, last + rows],
    );
    last += rows;
  };
  const insertUntil = async (process: TidemarkProcess, msg: RegExp): Promise<void> => {
    const isLogged = async (): Promise<boolean> => {
      await insert(50);
      return process.log().some((line) => msg.test(line.msg));
    };
    const explain = (): string => process.stderr;
    await eventually(`${msg} in the log`, isLogged, { explain, withinMs: 40_000 });
  };
  return {
    run,
    insert,
    insertUntil,
    block: () => block(results.url, `${name}_totals`),
    positions: () => positions(servers, name),
    movesBeyond: (process: TidemarkProcess, after?: bigint) =>
      movesBeyond(() => positions(servers, name), { folder, process, after: after ?? 0n }),
    allArrived: (process: TidemarkProcess) => allArrived(servers, { name, rows: last, process }),
    detourFiles: (): string[] => readdirSync(folder),
  };
}

function configText(name: string, budget: string): string {
  return `
import { count, defineConfig, pipeline, postgres, slot, sum, tumbling } from "tidemark";
export default defineConfig(
  pipeline("${name}", {
    source: slot({}),
    maxInFlightBytes: 65_536,
    walBudget: { bytes: ${BUDGET_BYTES}, ${budget} },
  }, (from) => {
    const rows = from("${name}", { appendOnly: true });
    rows.groupBy("shop").window(tumbling("1000 days"))
      .aggregate({ rows: count(), ids: sum("id") })
      .into(postgres.view("${name}_totals"));
    rows.into(postgres.append("${name}_copy", { columns: ["id"] }));
  }),
);
`;
}

function environment({ source, results }: Servers): Record<string, string> {
  return {
    TIDEMARK_SOURCE_URL: source.url,
    TIDEMARK_RESULTS_URL: results.url,
    TIDEMARK_FLUSH_INTERVAL: "20ms",
    TIDEMARK_CHECKPOINT_INTERVAL: "100ms",
    TIDEMARK_IDLE_CHECKPOINT_INTERVAL: "150ms",
    TIDEMARK_RETRY_MAX: "1s",
    TIDEMARK_STOP_DEADLINE: "1s",
  };
}

async function block(url: string, table: string): Promise<() => Promise<void>> {
  const session = openSql(url);
  await session.sql("begin");
  await session.sql(`lock table ${table} in access exclusive mode`);
  onTestFinished(() => session.close());
  return async () => {
    await session.sql("commit");
  };
}

async function positions({ source, results }: Servers, name: string): Promise<Positions> {
  const [at] = await source.sql(
    "select confirmed_flush_lsn::text as lsn from pg_replication_slots where slot_name = $1",
    [`tidemark_${name}`],
  );
  const [saved] = await results.sql(
    "select lsn::text as lsn from tidemark.checkpoint where pipeline = $1",
    [name],
  );
  return {
    confirmed: parseLsn(String(at?.["lsn"])),
    checkpoint: parseLsn(String(saved?.["lsn"])),
  };
}

function movesBeyond(
  look: () => Promise<Positions>,
  at: { readonly folder: string; readonly process: TidemarkProcess; readonly after: bigint },
): Promise<bigint> {
  const { folder, process, after } = at;
  const moved = async (): Promise<bigint | undefined> => {
    const { confirmed, checkpoint } = await look();
    if (confirmed <= checkpoint) return undefined;
    const recorded = (await Recording.open(folder)).end?.lsn ?? 0n;
    if (recorded < confirmed) return -1n;
    return confirmed > after ? confirmed : undefined;
  };
  const explain = (): string => process.stderr;
  return eventually("the slot moves on without a checkpoint", moved, { explain }).then((lsn) => {
    expect(lsn, "the slot has passed what is recorded").not.toBe(-1n);
    return lsn;
  });
}

async function allArrived(
  { source, results }: Servers,
  at: { readonly name: string; readonly rows: number; readonly process: TidemarkProcess },
): Promise<void> {
  const { name, rows, process } = at;
  const areCounted = async (): Promise<boolean> => {
    const [row] = await results.sql(`select sum(rows)::int as n from ${name}_totals`);
    return row?.["n"] === rows;
  };
  await eventually(`${rows} rows counted`, areCounted, { explain: () => process.stderr });
  const wanted = `select shop, count(*)::int as rows, sum(id)::text as ids
                  from ${name} group by shop order by shop`;
  const found = `select shop, rows::int, ids::text from ${name}_totals order by shop`;
  expect(await results.sql(found)).toEqual(await source.sql(wanted));
  const copies = `select count(*)::int as n, count(distinct id)::int as ids from ${name}_copy`;
  expect(await results.sql(copies)).toEqual([{ n: rows, ids: rows }]);
}
