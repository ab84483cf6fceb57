import { expect, test } from "vitest";
import { eventually } from "../services/eventually.js";
import { usePostgres } from "../services/postgres.js";
import { uniqueName } from "../services/shared-service.js";
import { fileWith, tidemark } from "../services/tidemark-process.js";

const { url, sql } = await usePostgres();
const env = { TIDEMARK_SOURCE_URL: url, TIDEMARK_SLOT_WAIT: "1s" };

async function openPipeline(filter = "true") {
  const name = uniqueName("states");
  await sql(`create table ${name} (id integer primary key, note text)`);
  const config = fileWith(`
import { defineConfig, pipeline, postgres, slot } from "tidemark";
export default defineConfig(
  pipeline("${name}", { source: slot({}) }, (from) => {
    from("${name}", { appendOnly: true })
      .filter((row) => ${filter})
      .into(postgres.append("${name}_copy"));
  }),
);
`);
  const isFree = () =>
    eventually("the slot is free", async () => {
      const [slot] = await sql("select active from pg_replication_slots where slot_name = $1", [
        `tidemark_${name}`,
      ]);
      return slot?.["active"] !== true;
    });
  const state = async (): Promise<Record<string, unknown> | null> => {
    const { code, stdout, stderr } = await tidemark(["--json", "status", config], { env }).ended;
    expect(code, stderr).toBe(0);
    return JSON.parse(stdout).state;
  };
  /** Waits until status says this, as it does a moment after the log. */
  const becomes = (expected: string) =>
    eventually(`status says ${expected}`, async () => (await state())?.["state"] === expected);
  return {
    becomes,
    name,
    slot: `tidemark_${name}`,
    run: () => tidemark(["run", config], { env }),
    state,
    isFree,
  };
}

test("status tells the state of a pipeline that runs, has stopped, or was killed", async () => {
  const { run, state, becomes, isFree } = await openPipeline();
  expect(await state()).toBeNull();
  const first = run();
  expect(await first.logged("running")).toMatchObject({ state: "RUNNING" });
  await becomes("RUNNING");
  const { code } = await first.end("SIGTERM");
  expect(code).toBe(0);
  await isFree();
  expect(await state()).toMatchObject({ state: "STOPPED" });
  const second = run();
  await second.logged("running");
  await becomes("RUNNING");
  await second.end("SIGKILL");
  await isFree();
  expect(await state()).toMatchObject({ state: "STOPPED" });
});

test("a row that cannot be processed is POISON_BLOCKED until the pipeline runs again", async () => {
  const { name, run, state, isFree } = await openPipeline("JSON.parse(row.note)");
  const first = run();
  await first.logged("running");
  await sql(`insert into ${name} values (1, 'secret')`);
  const { code } = await first.ended;
  expect(code).toBe(8);
  expect(first.log().at(-1)).toMatchObject({ msg: "ended", state: "POISON_BLOCKED", exitCode: 8 });
  await isFree();
  const posted = await state();
  expect(posted).toMatchObject({ state: "POISON_BLOCKED", code: "USER_FUNCTION" });
  expect(JSON.stringify(posted)).not.toContain("secret");
});

test("a lost slot is NEEDS_RESYNC, told by a start that was refused", async () => {
  const { run, state, slot, isFree } = await openPipeline();
  const first = run();
  await first.logged("running");
  await first.end("SIGTERM");
  await isFree();
  await sql("select pg_drop_replication_slot($1)", [slot]);
  expect(await state()).toMatchObject({ state: "STOPPED" });
  const { code } = await run().ended;
  expect(code).toBe(4);
  expect(await state()).toMatchObject({
    state: "NEEDS_RESYNC",
    code: "SLOT_MISSING",
    wayOut: expect.stringContaining("tidemark resync"),
  });
});

test("a second instance that is refused leaves the state of the first alone", async () => {
  const { run, state, becomes } = await openPipeline();
  const first = run();
  await first.logged("running");
  await becomes("RUNNING");
  const { code } = await run().ended;
  expect(code).toBe(3);
  expect(await state()).toMatchObject({ state: "RUNNING" });
  await first.end("SIGTERM");
});
