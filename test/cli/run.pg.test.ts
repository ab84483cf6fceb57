import { setTimeout as pause } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import { eventually } from "../services/eventually.js";
import { usePostgres } from "../services/postgres.js";
import { uniqueName } from "../services/shared-service.js";
import {
  fileWith,
  type TidemarkOptions,
  type TidemarkProcess,
  tidemark,
} from "../services/tidemark-process.js";

const postgres = await usePostgres();
const { url, sql } = postgres;
/** Rows a transaction while rows flow, and how long until the next. */
const ROWS = 3_000;
const PACE_MS = 30;

/** A pipeline of its own table, view and slot. */
interface Shop {
  readonly name: string;
  readonly slot: string;
  readonly table: string;
  readonly view: string;
  readonly config: string;
  readonly env: Readonly<Record<string, string>>;
  insert(rows: number): Promise<unknown>;
  run(args?: readonly string[], options?: TidemarkOptions): TidemarkProcess;
  /** Waits until the view counts so many rows. */
  counts(rows: number, process: TidemarkProcess): Promise<void>;
  /** Positions as numbers of bytes. */
  positions(): Promise<Record<"slot" | "checkpoint" | "progress", number>>;
}

async function openShop(filter = "true", imports = ""): Promise<Shop> {
  const name = uniqueName("shop");
  const slot = `tidemark_${name}`;
  const table = `${name}_sales`;
  const view = `${name}_totals`;
  await sql(`create table ${table} (shop integer not null, amount bigint not null, note text)`);
  const config = fileWith(`
import { count, defineConfig, pipeline, postgres, slot, sum, tumbling${imports} } from "tidemark";
export default defineConfig(
  pipeline("${name}", { source: slot({}) }, (from) => {
    from("${table}", { appendOnly: true })
      .filter((row) => ${filter})
      .groupBy("shop")
      .window(tumbling("1 hour"))
      .aggregate({ rows: count(), total: sum("amount") })
      .into(postgres.view("${view}"));
  }),
);
`);
  const env = { TIDEMARK_SOURCE_URL: url };
  return {
    name,
    slot,
    table,
    view,
    config,
    env,
    insert: (rows) =>
      sql(`insert into ${table} (shop, amount) select n % 3, n from generate_series(1, $1) n`, [
        rows,
      ]),
    run: (args = [], options = {}) => tidemark(["run", config, ...args], { env, ...options }),
    counts: async (rows, process) => {
      const query = `select coalesce(sum(rows), 0)::int as rows from ${view}`;
      const explain = (): string => process.stderr;
      const has = async (): Promise<boolean> => (await sql(query))[0]?.["rows"] === rows;
      await eventually(`${rows} rows in the view`, has, { explain });
    },
    positions: async () => {
      const [row] = await sql(
        `select (select confirmed_flush_lsn - '0/0' from pg_replication_slots
                 where slot_name = $1)::float8 as slot,
                (select lsn - '0/0' from tidemark.checkpoint where pipeline = $2)::float8
                  as checkpoint,
                (select lsn - '0/0' from tidemark.progress where pipeline = $2)::float8
                  as progress`,
        [slot, name],
      );
      return row as Record<"slot" | "checkpoint" | "progress", number>;
    },
  };
}

/** Waits until the slot is free, as it is a moment after its reader has gone. */
async function isFree(shop: Shop): Promise<void> {
  await eventually("the slot is free", async () => {
    const query = "select active from pg_replication_slots where slot_name = $1";
    return (await sql(query, [shop.slot]))[0]?.["active"] === false;
  });
}

test("SIGTERM while rows flow saves and acknowledges all and leaves nothing to do", async () => {
  const shop = await openShop();
  // A stop that finds no end of a transaction to stop at would last this long.
  const options = { env: { ...shop.env, TIDEMARK_STOP_DEADLINE: "1h" } };
  let rows = 0;
  let isWriting = true;
  let writing: Promise<void> | undefined;
  for (let round = 0; round < 4; round++) {
    const process = shop.run([], options);
    await process.logged("running");
    // Far more than one read of the socket, so that most reads end inside a transaction.
    writing ??= (async () => {
      for (; isWriting; rows += ROWS) {
        await shop.insert(ROWS);
        await pause(PACE_MS);
      }
    })();
    const goal = rows + 10 * ROWS;
    await eventually("rows flow", () => rows >= goal);
    const { code, stderr } = await process.end("SIGTERM");
    expect(code, stderr).toBe(0);
    expect(process.log().at(-1)?.msg).toBe("stopped");
    await isFree(shop);
    const { slot, checkpoint, progress } = await shop.positions();
    expect(slot).toBe(checkpoint);
    expect(checkpoint).toBe(progress);
  }
  isWriting = false;
  await writing;

  const second = shop.run();
  expect(await second.logged("running")).not.toHaveProperty("replaying");
  await shop.counts(rows, second);
  expect((await second.end("SIGTERM")).code).toBe(0);
  // Each transaction went through one of the two runs, and none through both.
  const [total] = await sql(`select sum(total)::float8 as total from ${shop.view}`);
  expect(total?.["total"]).toBe((rows / ROWS) * ((ROWS * (ROWS + 1)) / 2));
});

test("SIGINT ends a run as well", async () => {
  const shop = await openShop();
  const process = shop.run();
  await process.logged("running");
  expect((await process.end("SIGINT")).code).toBe(0);
});

test("--reset begins from nothing", async () => {
  const shop = await openShop();
  const first = shop.run();
  await first.logged("running");
  await shop.insert(10);
  await shop.counts(10, first);
  await first.end("SIGTERM");
  await shop.insert(3); // would come to the slot that is dropped

  const second = shop.run(["--reset"]);
  expect((await second.logged("running"))["epoch"]).toBe(1);
  await shop.insert(2);
  await shop.counts(2, second);
  expect((await second.end("SIGTERM")).code).toBe(0);
});

test("--adopt-slot begins where a slot stands that someone else has made", async () => {
  const shop = await openShop();
  await sql(`create publication ${shop.slot} for table ${shop.table}`);
  await sql("select pg_create_logical_replication_slot($1, 'pgoutput')", [shop.slot]);
  await shop.insert(7);
  const refused = await shop.run().ended;
  expect(refused.code).toBe(4);
  expect(refused.stderr).toMatch(/--adopt-slot .*\[SLOT_WITHOUT_CHECKPOINT\]/);

  const adopted = shop.run(["--adopt-slot"]);
  await shop.counts(7, adopted);
  expect((await adopted.end("SIGTERM")).code).toBe(0);
});

test("status --json tells slot, results and checkpoint, also while nothing runs", async () => {
  const shop = await openShop();
  const { env, config, name, slot } = shop;
  const status = async (): Promise<Record<string, Record<string, unknown> | null>> => {
    const { code, stdout } = await tidemark(["--json", "status", config], { env }).ended;
    expect(code).toBe(0);
    return JSON.parse(stdout);
  };
  const empty = { pipeline: name, slot: null, results: null, checkpoint: null };
  expect(await status()).toMatchObject(empty);
  const process = shop.run();
  await process.logged("running");
  await shop.insert(4);
  await shop.counts(4, process);
  expect(await status()).toMatchObject({
    slot: { name: slot, active: true, wal_status: "reserved", lag_bytes: expect.any(Number) },
    results: { epoch: 1 },
    checkpoint: { epoch: 1 },
  });
  await process.end("SIGTERM");
  await isFree(shop);
  const after = await status();
  expect(after["slot"]?.["active"]).toBe(false);
  expect(after["checkpoint"]?.["lsn"]).toBe(after["slot"]?.["confirmed_flush_lsn"]);
});

test("the URL may lie in a file, and no output holds its password", async () => {
  const shop = await openShop();
  const url = String(shop.env["TIDEMARK_SOURCE_URL"]);
  const { password } = new URL(url);
  expect(password.length).toBeGreaterThan(8);
  const secret = fileWith(`${url}\n`, "source-url");
  const process = shop.run(["--reset"], {
    env: { TIDEMARK_SOURCE_URL_FILE: secret, TIDEMARK_LOG_LEVEL: "trace" },
  });
  await process.logged("running");
  await shop.insert(5);
  await shop.counts(5, process);
  // A failure that is tried again is logged, too.
  await sql(
    `select pg_terminate_backend(active_pid) from pg_replication_slots
             where slot_name = $1`,
    [shop.slot],
  );
  await process.logged("running", 2);
  const { code, stdout, stderr } = await process.end("SIGTERM");
  expect(code, stderr).toBe(0);
  expect(process.log().length).toBeGreaterThan(4); // throws at a line that is not JSON
  expect(stdout + stderr).not.toContain(password);

  const missing = await shop.run([], { env: { TIDEMARK_SOURCE_URL_FILE: "/nowhere/url" } }).ended;
  expect(missing.code).toBe(2);
  expect(missing.stderr).toMatch(/^tidemark: TIDEMARK_SOURCE_URL_FILE .*\[CONFIG_INVALID\]\n$/s);
});

describe("a filter function that throws", () => {
  test("ends the run with USER_FUNCTION, its step and place, and no row", async () => {
    const shop = await openShop("JSON.parse(row.note).ok");
    const process = shop.run();
    onTestFinished(() => void process.end("SIGKILL"));
    await process.logged("running");
    const before = await shop.positions();
    await sql(`insert into ${shop.table} values (1, 1, '{"ok": true}'), (1, 1, 'secret note')`);
    const { code, stderr } = await process.ended;
    expect(code).toBe(8);
    expect(stderr).toMatch(
      /step "from public\.\w+ filter" threw SyntaxError .* at \S*tidemark\.config\.ts:\d+:\d+\./,
    );
    expect(stderr).toContain("[USER_FUNCTION]");
    expect(stderr).not.toMatch(/secret|this is a bug|\n\s+at /);
    // Nothing of that transaction was written or acknowledged.
    expect(await shop.positions()).toEqual(before);
    expect(await sql(`select * from ${shop.view}`)).toEqual([]);
  });

  test("keeps the code of an error of ours", async () => {
    const shop = await openShop("Numeric.parse(row.note) !== null", ", Numeric");
    const process = shop.run();
    await process.logged("running");
    await sql(`insert into ${shop.table} values (1, 1, 'secret note')`);
    const { code, stderr } = await process.ended;
    expect(code).toBe(8);
    expect(stderr).toMatch(/from public\.\w+ filter: .*\[BAD_VALUE\]/);
    expect(stderr).not.toMatch(/secret|this is a bug/);
  });
});
