import { expect, onTestFinished, test } from "vitest";
import { release } from "../../../src/cli/recovery/release.js";
import {
  type PoisonOptions,
  pipeline,
  postgres,
  type RunningPipeline,
  slot,
  start,
} from "../../../src/index.js";
import { eventually } from "../../services/eventually.js";
import { usePostgres } from "../../services/postgres.js";
import { uniqueName } from "../../services/shared-service.js";

const { url, sql } = await usePostgres();

type Database = Record<string, { id: number; account: string; note: string }>;

/** A pipeline that copies a table behind a filter that reads the note as JSON. */
async function openPipeline(onPoison: "dead-letter" | PoisonOptions<"account" | "note" | "id">) {
  const name = uniqueName("poison");
  await sql(`create table ${name} (id integer primary key, account text, note text)`);
  const definition = pipeline<Database>(name, { source: slot({ url }) }, (from) => {
    from(name, { appendOnly: true, onPoison })
      .filter((row) => JSON.parse(row.note) !== null)
      .into(postgres.append(`${name}_copy`));
  });
  const run = async (): Promise<RunningPipeline> => {
    const running = start(definition, { env: () => undefined });
    onTestFinished(() => running.stop());
    await Promise.race([eventually("it runs", () => running.status !== null), running.done]);
    return running;
  };
  const insert = (id: number, account: string, note: string) =>
    sql(`insert into ${name} values ($1, $2, $3)`, [id, account, note]);
  /** Waits until row `id` was copied, and gives all that were. */
  const copied = (id: number): Promise<number[]> =>
    eventually(`row ${id} is copied`, async () => {
      const rows = await sql(`select id from ${name}_copy order by id`);
      const ids = rows.map((row) => Number(row["id"]));
      return ids.includes(id) ? ids : undefined;
    });
  const letters = () =>
    sql(
      `select code, (row->>'id')::int as id, row->>'note' as note, reason from tidemark.dead_letter
       where pipeline = $1 order by commit_lsn, ordinal, step`,
      [name],
    );
  return { name, definition, run, insert, copied, letters };
}

test("a poison row becomes a dead letter in the transaction of its results", async () => {
  const { run, insert, copied, letters, name } = await openPipeline({ mask: ["note"] });
  const running = await run();
  await sql(`insert into ${name} values (1, 'a', '1'), (2, 'a', 'secret'), (3, 'a', '3')`);
  expect(await copied(3)).toEqual([1, 3]);
  const [letter, ...others] = await letters();
  expect(others).toEqual([]);
  expect(letter).toMatchObject({ code: "USER_FUNCTION", id: 2, note: "***" });
  expect(letter?.["reason"]).not.toContain("secret");
  const [same] = await sql(
    `select count(distinct xmin::text)::int as n from
       (select xmin from ${name}_copy union all
        select xmin from tidemark.dead_letter where pipeline = $1) t`,
    [name],
  );
  expect(same?.["n"]).toBe(1);
  expect(running.status).toMatchObject({ state: "RUNNING", deadLetters: 1, blockedKeys: 0 });
  await insert(4, "a", "4");
  await copied(4);
});

test("a blocked key stays blocked over a restart until it is released", async () => {
  const { definition, run, insert, copied, letters } = await openPipeline({ blockBy: ["account"] });
  const first = await run();
  await insert(1, "a", "broken");
  await insert(2, "a", "2");
  await insert(3, "b", "3");
  expect(await copied(3)).toEqual([3]);
  expect(first.status).toMatchObject({ deadLetters: 2, blockedKeys: 1 });
  const early = release(definition, true);
  await expect(early).rejects.toMatchObject({ code: "SLOT_ACTIVE" });
  await first.stop();

  const second = await run();
  await insert(4, "a", "4");
  await insert(5, "b", "5");
  expect(await copied(5)).toEqual([3, 5]);
  await second.stop();
  expect(await release(definition, false)).toMatchObject({ isDone: false });
  expect(await release(definition, true)).toMatchObject({ facts: { blockedKeys: 1 } });

  const third = await run();
  await insert(6, "a", "6");
  expect(await copied(6)).toEqual([3, 5, 6]);
  expect(third.status?.blockedKeys).toBe(0);
  expect((await letters()).map(({ id, code }) => [id, code])).toEqual([
    [1, "USER_FUNCTION"],
    [2, null],
    [4, null],
  ]);
});
