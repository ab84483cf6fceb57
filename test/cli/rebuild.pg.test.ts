import { expect, onTestFinished, test } from "vitest";
import { eventually } from "../services/eventually.js";
import { usePostgres } from "../services/postgres.js";
import { openSql } from "../services/sql.js";
import { fileWith, type TidemarkProcess, tidemark } from "../services/tidemark-process.js";

const { url, sql } = await usePostgres();
const env = { TIDEMARK_SOURCE_URL: url, TIDEMARK_CHECKPOINT_INTERVAL: "100ms" };

/** A pipeline with the orders of each shop, and their total or greatest amount. */
function configOf(aggregate: "sum" | "max", more = ""): string {
  return fileWith(`
    import { count, defineConfig, max, pipeline, postgres, slot, sum } from "tidemark";
    export default defineConfig(pipeline("rebuilt", { source: slot() }, (from) => {
      from("public.orders").groupBy("shop")
        .aggregate({ orders: count(), total: ${aggregate}("amount") })
        .into(postgres.view("per_shop"));
      ${more}
    }));`);
}

async function run(config: string, ...flags: string[]): Promise<TidemarkProcess> {
  const process = tidemark(["run", config, ...flags], { env });
  await process.logged("running");
  return process;
}

async function untilEqual(aggregate: "sum" | "max", process: TidemarkProcess): Promise<void> {
  const wanted = `select shop, count(*) as orders, ${aggregate}(amount) as total
    from orders group by shop`;
  const isEqual = async (): Promise<boolean> => {
    const [row] = await sql(`with had as (table per_shop), wanted as (${wanted})
      select (select count(*)::int from (table had except all table wanted) a) +
             (select count(*)::int from (table wanted except all table had) b) as n`);
    return row?.["n"] === 0;
  };
  await eventually("the view is what its SELECT gives", isEqual, {
    explain: () => process.stderr,
  });
}

test("--rebuild makes the results of a changed pipeline anew, and no reader sees them half", {
  timeout: 120_000,
}, async () => {
  await sql("create table orders (id serial primary key, shop text, amount numeric)");
  const INSERT = `insert into orders (shop, amount)
    select 'shop ' || g % 50, g % 20 from generate_series(1, $1::int) g`;
  await sql(INSERT, [20_000]);
  const first = await run(configOf("sum"));
  await untilEqual("sum", first);
  await first.end("SIGTERM");
  await sql("update orders set amount = amount + 1 where id % 3 = 0");

  const changed = configOf("max");
  const refused = await tidemark(["run", changed], { env }).ended;
  expect([refused.code, refused.stderr]).toEqual([4, expect.stringContaining("--rebuild")]);

  const session = openSql(url);
  onTestFinished(() => session.close());
  const seen = new Set<unknown>();
  let isOver = false;
  const reading = (async () => {
    while (!isOver) {
      const [row] = await session.sql("select coalesce(sum(orders), 0)::int as n from per_shop");
      seen.add(row?.["n"]);
    }
  })();
  // A kill in the middle: a start without the flag goes on with what was asked for.
  const faults = { TIDEMARK_FAILPOINTS: "copying=kill@3", TIDEMARK_ALLOW_FAILPOINTS: "1" };
  const killed = tidemark(["run", changed, "--rebuild"], { env: { ...env, ...faults } });
  expect((await killed.ended).signal, killed.stderr).toBe("SIGKILL");
  const second = await run(changed);
  isOver = true;
  await reading;
  await untilEqual("max", second);
  expect([...seen]).toEqual([20_000]);
  await sql(INSERT, [100]);
  await untilEqual("max", second);
  await second.end("SIGTERM");

  const third = await run(changed, "--rebuild");
  await untilEqual("max", third);
  await sql("delete from orders where id % 2 = 0");
  await untilEqual("max", third);
  expect((await third.end("SIGTERM")).code).toBe(0);

  const log = 'from("public.orders").changes().into(postgres.append("orders_log"));';
  const { code, stderr } = await tidemark(["run", configOf("sum", log), "--rebuild"], { env })
    .ended;
  expect([code, stderr]).toEqual([2, expect.stringContaining("REBUILD_REFUSED")]);
  const fourth = await run(changed);
  await untilEqual("max", fourth);
});
