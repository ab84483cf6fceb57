import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import {
  exportCheckpoint,
  importCheckpoint,
  showCheckpoint,
} from "../../src/cli/recovery/checkpoint-commands.js";
import { rebind } from "../../src/cli/recovery/rebind.js";
import { resync } from "../../src/cli/recovery/resync.js";
import { takeOver } from "../../src/cli/recovery/takeover.js";
import {
  count,
  pipeline,
  postgres,
  type RunningPipeline,
  slot,
  start,
  tumbling,
} from "../../src/index.js";
import { eventually } from "../services/eventually.js";
import { ownPostgres, usePostgres } from "../services/postgres.js";
import { uniqueName } from "../services/shared-service.js";
import { fileWith, tidemark } from "../services/tidemark-process.js";

type Database = Record<string, { id: number; shop: string }>;

const home = await usePostgres();

/** A pipeline that counts the rows of a table and copies them, with results at home. */
async function openPipeline(source: Pick<typeof home, "url" | "sql"> = home, given?: string) {
  const name = given ?? uniqueName("recovery");
  const { url, sql } = source;
  await sql(`create table if not exists ${name} (id integer primary key, shop text not null)`);
  const definition = pipeline<Database>(
    name,
    { source: slot({ url, slotWait: "5s" }), results: postgres({ url: home.url }) },
    (from) => {
      const rows = from(name, { appendOnly: true });
      rows
        .groupBy("shop")
        .window(tumbling("1000 days"))
        .aggregate({ rows: count() })
        .into(postgres.view(`${name}_counts`));
      rows.into(postgres.append(`${name}_copy`));
    },
  );
  const insert = (id: number) => sql(`insert into ${name} values ($1, 'a')`, [id]);
  /** Waits until the view has counted so many rows, and gives how many were copied. */
  const counted = (rows: number): Promise<number> =>
    eventually(`${rows} rows counted`, async () => {
      const [row] = await home.sql(`select coalesce(sum(rows), 0)::int as n,
        (select count(*)::int from ${name}_copy) as copies from ${name}_counts`);
      return row?.["n"] === rows ? Number(row["copies"]) : undefined;
    });
  const run = async (): Promise<RunningPipeline> => {
    const running = start(definition, { env: () => undefined });
    onTestFinished(() => running.stop());
    await Promise.race([eventually("it runs", () => running.status !== null), running.done]);
    return running;
  };
  /** Runs while these rows are inserted and until so many are counted. */
  const runUntil = async (ids: readonly number[], rows: number): Promise<void> => {
    const running = await run();
    for (const id of ids) await insert(id);
    await counted(rows);
    await running.stop();
  };
  return { name, slot: `tidemark_${name}`, definition, insert, counted, run, runUntil };
}

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "tidemark-recovery-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

const refusal = (code: string, message = /./) =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });

test("resync says what is lost, and only when confirmed begins anew", async () => {
  const { definition, runUntil, insert, name, slot } = await openPipeline();
  await runUntil([1, 2], 2);
  await home.sql(`create view ${name}_reader as select * from ${name}_counts`);
  const asked = await resync(definition, { isConfirmed: false, results: "empty" });
  expect(asked).toMatchObject({ isDone: false, facts: { slot } });
  expect(asked.notes).toContainEqual(expect.stringMatching(/^Lost: .* of WAL until now/));
  await runUntil([3], 3); // nothing was changed
  await home.sql("select pg_drop_replication_slot($1)", [slot]);
  const done = await resync(definition, { isConfirmed: true, results: "empty" });
  expect(done.isDone).toBe(true);
  expect(await home.sql(`select * from ${name}_reader`)).toEqual([]);
  await insert(4); // before the new slot
  await runUntil([5], 1);
});

test("resync may keep the rows of result tables", async () => {
  const { definition, run, runUntil, counted } = await openPipeline();
  await runUntil([1, 2], 2);
  await resync(definition, { isConfirmed: true, results: "keep" });
  await run();
  expect(await counted(2)).toBe(2);
});

test("resync leaves a pipeline alone that runs", async () => {
  const { definition, run, runUntil } = await openPipeline();
  const running = await run();
  const outcome = resync(definition, { isConfirmed: true, results: "empty" });
  await expect(outcome).rejects.toEqual(refusal("SLOT_ACTIVE"));
  await running.stop();
  await runUntil([1], 1);
});

test("takeover ends the instance that runs, which stays away; the next one goes on", async () => {
  const { definition, run, insert, counted, slot } = await openPipeline();
  const old = await run();
  await insert(1);
  await counted(1);
  expect(await takeOver(definition, false)).toMatchObject({ isDone: false });
  expect(old.state).toBe("RUNNING");
  const facts = { slot, claimedEpoch: 2, holder: expect.any(Number) };
  expect(await takeOver(definition, true)).toMatchObject({ isDone: true, facts });
  await expect(old.done).rejects.toEqual(refusal("FENCED"));
  expect(old.state).toBe("FENCED");
  const next = await run();
  expect(next.status?.epoch).toBe(3);
  await insert(2);
  expect(await counted(2)).toBe(2);
});

test("a checkpoint is shown by step, exported, and imported where it was lost", async () => {
  const { definition, runUntil, name } = await openPipeline();
  await runUntil([1, 2], 2);
  const shown = await showCheckpoint(definition);
  expect(shown.facts).toMatchObject({ systemId: expect.stringMatching(/^\d+$/), epoch: 1 });
  expect(shown.notes).toContainEqual(expect.stringMatching(/^window public\.\w+: \d+ blocks/));
  const path = join(folder(), "state.checkpoint");
  expect(await exportCheckpoint(definition, path)).toMatchObject({ isDone: true });
  expect(statSync(path).mode & 0o777).toBe(0o600);

  await home.sql("delete from tidemark.checkpoint where pipeline = $1", [name]);
  await expect(showCheckpoint(definition)).rejects.toEqual(refusal("SLOT_WITHOUT_CHECKPOINT"));
  const asked = await importCheckpoint(definition, { path, isConfirmed: false });
  expect(asked.isDone).toBe(false);
  await importCheckpoint(definition, { path, isConfirmed: true });
  await runUntil([3], 3);

  const { definition: other } = await openPipeline();
  const foreign = importCheckpoint(other, { path, isConfirmed: true });
  await expect(foreign).rejects.toEqual(refusal("REBIND_REFUSED"));
});

test("an exported checkpoint that was changed or cut is refused", async () => {
  const { definition, runUntil } = await openPipeline();
  await runUntil([1], 1);
  const path = join(folder(), "state.checkpoint");
  await exportCheckpoint(definition, path);
  const text = readFileSync(path, "utf8");
  const lines = text.trimEnd().split("\n");
  for (const damaged of [
    text.replace(/"epoch":1/, '"epoch":7'),
    `${lines.slice(0, -1).join("\n")}\n`,
    lines.filter((_, i) => i !== 1).join("\n"),
    text.slice(0, -20),
    "",
    "{}\n",
  ]) {
    writeFileSync(path, damaged);
    const outcome = importCheckpoint(definition, { path, isConfirmed: true });
    await expect(outcome).rejects.toEqual(refusal("CHECKPOINT_CORRUPT"));
  }
  await runUntil([2], 2);
});

test("rebind lets the state go on from a slot on another cluster, told and accepted", async () => {
  const first = await ownPostgres({ settings: { wal_level: "logical" } });
  const { name, slot, runUntil } = await openPipeline(first);
  await runUntil([1, 2], 2);

  const second = await ownPostgres({ settings: { wal_level: "logical" } });
  const moved = await openPipeline(second, name);
  await moved.insert(1);
  await moved.insert(2);
  const backup = join(folder(), "before");
  const bind = (isConfirmed: boolean, acceptsGap: boolean) =>
    rebind(moved.definition, { isConfirmed, acceptsGap, backup });
  await expect(bind(true, true)).rejects.toEqual(refusal("REBIND_REFUSED", /does not exist/));
  await second.sql(`create publication ${slot} for table ${name}`);
  await second.sql("select pg_create_logical_replication_slot($1, 'pgoutput')", [slot]);
  await expect(moved.run()).rejects.toEqual(refusal("OTHER_SYSTEM"));
  const asked = await bind(false, false);
  expect(asked.isDone).toBe(false);
  expect(asked.notes).toContainEqual(expect.stringMatching(/is another cluster than/));
  await expect(bind(true, false)).rejects.toEqual(refusal("REBIND_REFUSED", /--accept-gap/));
  expect(existsSync(backup)).toBe(false);
  expect(await bind(true, true)).toMatchObject({ isDone: true });
  expect(existsSync(backup)).toBe(true);
  await moved.runUntil([3], 3);
});

test("rebind tells how much is missing before a slot that was made anew", async () => {
  const { definition, runUntil, insert, slot } = await openPipeline();
  await runUntil([1], 1);
  const backup = join(folder(), "before");
  const bind = () => rebind(definition, { isConfirmed: true, acceptsGap: true, backup });
  await expect(bind()).rejects.toEqual(refusal("REBIND_REFUSED", /nothing has to be bound/));
  await home.sql("select pg_drop_replication_slot($1)", [slot]);
  await insert(2);
  await home.sql("select pg_create_logical_replication_slot($1, 'pgoutput')", [slot]);
  const bound = await bind();
  expect(bound.notes).toContainEqual(expect.stringMatching(/The slot begins .* of WAL after/));
  await runUntil([3], 2);
});

test("on the command line nothing is done without --yes, which its exit code says", async () => {
  const { name, slot, runUntil } = await openPipeline();
  await runUntil([1], 1);
  const config = fileWith(`
import { defineConfig, pipeline, postgres, slot } from "tidemark";
export default defineConfig(pipeline("${name}", { source: slot({}) }, (from) => {
  from("${name}", { appendOnly: true }).into(postgres.append("${name}_copy"));
}));
`);
  const env = { TIDEMARK_SOURCE_URL: home.url };
  const say = (...args: string[]) => tidemark(["--json", ...args], { env }).ended;
  const asked = await say("resync", config);
  expect(asked.code).toBe(2);
  expect(JSON.parse(asked.stdout)).toMatchObject({ command: "resync", isDone: false });
  expect((await say("checkpoint", "show", config)).code).toBe(0);
  expect((await say("resync", "--results", "drop", config)).code).toBe(2);
  const done = await tidemark(["resync", config, "--yes", "--results", "keep"], { env }).ended;
  expect(done.stdout).toMatch(new RegExp(`^resync ${name}\\n.*${slot}.*\\nDone\\.\\n$`, "s"));
  expect(done.code).toBe(0);
});
