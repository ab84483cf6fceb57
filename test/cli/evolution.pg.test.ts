import { expect, test } from "vitest";
import { eventually } from "../services/eventually.js";
import { usePostgres } from "../services/postgres.js";
import { uniqueName } from "../services/shared-service.js";
import { fileWith, type TidemarkProcess, tidemark } from "../services/tidemark-process.js";

const { url, sql } = await usePostgres();

test("a changed pipeline is refused with the difference, and goes on when told to", async () => {
  const name = uniqueName("evolve");
  const table = `${name}_sales`;
  await sql(`create table ${table} (shop integer not null, amount bigint not null)`);
  const configOf = (views: Readonly<Record<string, string>>): string =>
    fileWith(`
import { defineConfig, max, min, pipeline, postgres, slot, tumbling } from "tidemark";
export default defineConfig(
  pipeline("${name}", { source: slot({}) }, (from) => {
    const sales = from("${table}", { appendOnly: true });
    ${Object.entries(views)
      .map(
        ([view, fn]) => `sales.groupBy("shop").window(tumbling("1 day"))
      .aggregate({ value: ${fn}("amount") }).into(postgres.view("${name}_${view}"));`,
      )
      .join("\n")}
  }),
);
`);
  const run = (config: string, ...args: string[]): TidemarkProcess =>
    tidemark(["run", config, ...args], { env: { TIDEMARK_SOURCE_URL: url } });
  const shows = async (view: string, rows: readonly string[]): Promise<void> => {
    const query = `select shop || ' ' || value as row from ${name}_${view} order by shop`;
    await eventually(`${view} shows ${rows.join(", ")}`, async () => {
      return (await sql(query)).map(({ row }) => row).join() === rows.join();
    });
  };

  const first = run(configOf({ kept: "max", changed: "min", gone: "max" }));
  await first.logged("running");
  await sql(`insert into ${table} values (1, 10), (1, 20), (2, 5)`);
  for (const view of ["kept", "gone"]) await shows(view, ["1 20", "2 5"]);
  await shows("changed", ["1 10", "2 5"]);
  expect((await first.end("SIGTERM")).code).toBe(0);

  const config = configOf({ kept: "max", changed: "max" });
  const refused = await run(config).ended;
  expect(refused.code, refused.stderr).toBe(4);
  expect(refused.stderr).toContain(
    `window public.${name}_changed (aggregates: was "min(amount) bigint", is "max(amount) bigint")`,
  );
  expect(refused.stderr).toContain(`window public.${name}_gone (the pipeline has no such step)`);

  const allowed = run(config, "--allow-drop-state");
  await allowed.logged("running");
  await shows("changed", []);
  await sql(`insert into ${table} values (1, 15)`);
  await shows("changed", ["1 15"]);
  await shows("kept", ["1 20", "2 5"]);
  await shows("gone", ["1 20", "2 5"]);
  const steps = allowed.log().filter(({ msg }) => msg?.startsWith("state dropped"));
  expect(steps.map(({ step }) => step).sort()).toEqual([
    `window public.${name}_changed`,
    `window public.${name}_gone`,
  ]);
  expect((await allowed.end("SIGTERM")).code).toBe(0);

  const next = run(config);
  await next.logged("running");
  expect((await next.end("SIGTERM")).code).toBe(0);
});
