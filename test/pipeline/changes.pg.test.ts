import { expect, onTestFinished, test } from "vitest";
import {
  type ChangeOf,
  type Published,
  pipeline,
  postgres,
  slot,
  start,
  UNCHANGED,
} from "../../src/index.js";
import { eventually } from "../services/eventually.js";
import { usePostgres } from "../services/postgres.js";
import { uniqueName } from "../services/shared-service.js";

const { url, sql } = await usePostgres();

interface Account {
  readonly id: number;
  readonly note: string | null;
  readonly amount: number;
}

interface Database {
  "public.accounts": Published<Account, { readonly id: number }, "note">;
  "public.whole": Published<Account, "full">;
}

/** What a function read of a change, while it was valid. */
function told(change: ChangeOf<Database["public.accounts"]>): string {
  switch (change.op) {
    case "insert":
      return `insert ${change.after.id}`;
    case "update": {
      const { note, amount } = change.after;
      const text = note === UNCHANGED ? "unchanged" : `${note?.length}`;
      return `update ${change.before?.id} note ${text} amount ${amount}`;
    }
    case "delete":
      return `delete ${change.before.id}`;
    case "truncate":
      return "truncate";
  }
}

test("a function sees each change with the images it has, and decides what is kept", async () => {
  const columns = "(id integer primary key, note text, amount integer not null)";
  for (const table of ["accounts", "whole"]) {
    await sql(`create table ${table} ${columns}`);
    await sql(`alter table ${table} alter note set storage external`);
  }
  await sql("alter table whole replica identity full");
  const seen: string[] = [];
  const grown: string[] = [];
  const definition = pipeline<Database>(
    uniqueName("changes"),
    { source: slot({ url }) },
    (from) => {
      from("public.accounts")
        .changes()
        .filter((change) => {
          seen.push(told(change));
          return change.op !== "insert";
        })
        .filter((change) => change.op !== "truncate")
        .into(postgres.append("kept"));
      from("public.whole")
        .changes()
        .filter((change) => {
          if (change.op !== "update") return false;
          const { before, after } = change;
          grown.push(`${before.amount} to ${after.amount}, note ${after.note?.length}`);
          return after.amount > before.amount;
        })
        .into(postgres.append("grown"));
    },
  );
  const running = start(definition, { env: () => undefined });
  onTestFinished(() => running.stop());
  await eventually("the pipeline reads", () => running.status !== null);
  await sql("insert into accounts values (1, repeat('n', 5000), 1)");
  await sql("update accounts set amount = 2");
  await sql("update accounts set id = 2, note = 'n'");
  await sql("delete from accounts");
  await sql("truncate accounts");
  await sql("insert into whole values (1, repeat('n', 5000), 1)");
  await sql("update whole set amount = 0");
  await sql("update whole set amount = 5");
  await eventually("the last change", async () => (await sql("select from grown")).length === 1);
  expect(seen).toEqual([
    "insert 1",
    "update undefined note unchanged amount 2",
    "update 1 note 1 amount 2",
    "delete 2",
    "truncate",
  ]);
  expect(grown).toEqual(["1 to 0, note 5000", "0 to 5, note 5000"]);
  expect(await sql("select _op, id from kept order by _commit_lsn, _ordinal")).toEqual([
    { _op: "update", id: 1 },
    { _op: "update", id: 2 },
    { _op: "delete", id: 2 },
  ]);
  expect(await sql("select _op, amount from grown")).toEqual([{ _op: "update", amount: 5 }]);
});
