import { expect, test } from "vitest";
import { count, pipeline, postgres, slot, start, sum, tumbling } from "../../src/index.js";
import { eventually } from "../services/eventually.js";
import { usePostgres } from "../services/postgres.js";

const { url, sql, name } = await usePostgres();

interface Sale {
  flag: boolean;
  small: number;
  large: bigint;
  word: string;
  raw: Uint8Array;
  key: string;
  at: import("../../src/index.js").Timestamp;
  amount: import("../../src/index.js").Numeric;
}

const KEYS = ["flag", "small", "large", "word", "raw", "key", "at"] as const;

function sales(binary: boolean) {
  return pipeline<{ "public.sales": Sale }>(
    `forms_${name}`,
    { source: slot({ url, binary }) },
    (from) => {
      from("public.sales", { eventTime: "at", appendOnly: true })
        .groupBy(...KEYS)
        .window(tumbling("1 hour", "hour"))
        .aggregate({ n: count(), total: sum("amount") })
        .into(postgres.view("public.totals"));
    },
  );
}

async function insertSales(): Promise<void> {
  await sql(`insert into sales values
    (true, -1, 9223372036854775807, 'ä', '\\x00ff', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11',
      '2026-11-24 01:02:03.000004+00', 1.10),
    (false, 7, 0, '', '', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a12',
      '1969-12-31 23:59:59.999999+00', 12345678901234567890.5)`);
}

test("groups go on in the other form of cells after a restart", async () => {
  await sql(`create table sales (flag boolean, small integer, large bigint, word text, raw bytea,
    key uuid, at timestamptz, amount numeric)`);
  for (const [round, binary] of [true, false, true].entries()) {
    const running = start(sales(binary), { env: () => undefined });
    await eventually("it reads", () => running.status !== null);
    await insertSales();
    await eventually("the view has all rows", async () => {
      const [row] = await sql("select sum(n)::int as n from totals");
      return row?.["n"] === 2 * (round + 1);
    });
    await running.stop();
  }
  const wanted = `select ${KEYS}, date_trunc('hour', at) as hour, count(*) as n, sum(amount)
    from sales group by ${KEYS}, hour`;
  const rows = await sql(
    `select count(*)::int as n
     from ((${wanted}) except (select ${KEYS}, hour, n, total from totals)) d`,
  );
  expect(rows[0]?.["n"]).toBe(0);
  expect(await sql("select count(*)::int as n from totals")).toEqual([{ n: 2 }]);
});
