import { expect, test } from "vitest";
import { SlotSource } from "../../src/source/slot-source.js";
import { sourceOptions } from "../fixtures/stream-recorder.js";
import { usePostgres } from "../services/postgres.js";

const { url, sql } = await usePostgres();
await sql('create schema "Shop.eu"');
await sql(
  `create table "Shop.eu"."Orders" (
     region text, id int8, price numeric(12, 2) not null, gone int, at timestamptz,
     primary key (id, region))`,
);
await sql('alter table "Shop.eu"."Orders" drop column gone');
await sql('alter table "Shop.eu"."Orders" replica identity full');
await sql("create table plain (id int, note varchar(20))");
await sql("create unique index plain_id on plain (id)");
await sql("create view a_view as select 1 as one");

const source = new SlotSource(sourceOptions(url, { slotName: "unused" }));

test("a table is described with its columns in order, without dropped ones", async () => {
  const [table] = await source.describe(['"Shop.eu"."Orders"']);
  expect(table).toMatchObject({
    schema: "Shop.eu",
    name: "Orders",
    qualifiedName: '"Shop.eu".Orders',
    replicaIdentity: "full",
    columns: [
      { name: "region", typeName: "text", isNotNull: true, codec: { kind: "text" } },
      { name: "id", typeName: "bigint", isNotNull: true, codec: { kind: "bigint" } },
      { name: "price", typeName: "numeric(12,2)", isNotNull: true, codec: { kind: "numeric" } },
      { name: "at", typeName: "timestamp with time zone", isNotNull: false },
    ],
  });
  expect(table?.identityKey).toEqual([]);
});

test("a default replica identity has the primary key's columns, in the table's order", async () => {
  await sql("create table keyed (region text, note text, id int8, primary key (id, region))");
  const [table] = await source.describe(["keyed"]);
  expect(table).toMatchObject({ replicaIdentity: "default", identityKey: ["region", "id"] });
});

test.each([
  ["default", "n/a", []],
  ["nothing", "nothing", []],
  ["full", "full", []],
  ["index", "using index plain_id", ["id"]],
])("replica identity %s is recognised", async (identity, clause, identityKey) => {
  if (identity === "index") await sql("alter table plain alter id set not null");
  if (identity !== "default") await sql(`alter table plain replica identity ${clause}`);
  const [table] = await source.describe(["plain"]);
  expect(table).toMatchObject({ replicaIdentity: identity, identityKey });
});

test.each([
  ["public.missing", "does not exist"],
  ["Plain", "does not exist"],
  ["a_view", "is no table"],
])("%s %s", async (name, problem) => {
  await expect(source.describe([name])).rejects.toMatchObject({
    code: "SOURCE_TABLE_MISSING",
    message: expect.stringContaining(problem),
  });
});
