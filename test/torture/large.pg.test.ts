// Transactions and rows that are large in one way or another, decoded with very little memory.
import pg from "pg";
import { expect, onTestFinished, test } from "vitest";
import { eventually } from "../services/eventually.js";
import { LONG_FORM } from "../services/long-form.js";
import { ownPostgres } from "../services/postgres.js";
import type { TidemarkProcess } from "../services/tidemark-process.js";
import { type PlainRun, plainRun } from "./plain-run.js";

const MIB = 2 ** 20;

const source = await ownPostgres({
  settings: { track_commit_timestamp: "on", logical_decoding_work_mem: "64kB" },
});

/** Of 10,000 subtransactions every tenth is rolled back. */
const SUBTRANSACTIONS = `
  do $$ begin
    for i in 1..10000 loop
      begin
        insert into readings (device, region, is_kept, at, amount)
        values (i % 20, 'north', i % 3 > 0, now(), i);
        if i % 10 = 0 then raise exception 'undone'; end if;
      exception when raise_exception then null;
      end;
    end loop;
  end $$`;

function usesLittleMemory(process: TidemarkProcess, limitMib: number): void {
  const peak = process.peakRss();
  // Only Linux tells what another process has used at most.
  if (peak !== null) expect(peak).toBeLessThan(limitMib * MIB);
}

test.each(["true", "false"])(
  "10,000 subtransactions in one transaction are one result (streaming: %s)",
  async (streaming) => {
    const run = await plainRun({
      source,
      change: (text) => text.replace("slot({})", `slot({ streaming: ${streaming} })`),
    });
    const process = await run.running();
    await run.sql(SUBTRANSACTIONS);
    await run.compare(process, 60_000);
    const [row] = await run.results("select count(*)::int as seconds from by_region");
    expect(row).toEqual({ seconds: 2 }); // is_kept and not, in the second of the one commit
    usesLittleMemory(process, 256);
  },
  90_000,
);

test(
  "a transaction that stays open holds nothing up, and arrives whole",
  async () => {
    const run = await plainRun({ source });
    const process = await run.running();
    const url = new URL(source.url);
    url.pathname = `/${run.name}`;
    const open = new pg.Client({ connectionString: url.href });
    await open.connect();
    onTestFinished(() => open.end());
    await open.query("begin");
    const insert = "insert into readings (device, is_kept, at) select 7, true, now()";
    await open.query(`${insert} from generate_series(1, 20000)`);
    const until = performance.now() + (LONG_FORM ? 3_600_000 : 3_000);
    for (let rounds = 0; rounds < 20 || performance.now() < until; rounds++) {
      await run.insert(50);
      await open.query(`${insert} from generate_series(1, 100)`);
      await run.compare(process);
    }
    expect(await held(run)).toBeGreaterThan(0);
    await open.query("commit");
    await run.compare(process);
    usesLittleMemory(process, 256);
    const goesOn = async (): Promise<boolean> => {
      await run.sql("checkpoint");
      return (await held(run)) < MIB;
    };
    await eventually("the WAL is let go", goesOn);
  },
  LONG_FORM ? 3_700_000 : 60_000,
);

/** Bytes of WAL that the slot holds. */
async function held({ sql, slot }: PlainRun): Promise<number> {
  const [row] = await sql(
    `select pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::float8 as bytes
     from pg_replication_slots where slot_name = $1`,
    [slot],
  );
  return Number(row?.["bytes"]);
}

/** Replaces the views by one append table of `table`. */
function copyOf(table: string): (config: string) => string {
  return (text) => {
    const body = `from("${table}", { appendOnly: true }).into(postgres.append("${table}_copy"));`;
    const from = text.indexOf('    from("readings"');
    return `${text.slice(0, from)}    ${body}\n  }),\n);\n`;
  };
}

async function copied(run: PlainRun, table: string, process: TidemarkProcess): Promise<void> {
  const digest = (name: string): string =>
    `select count(*)::int as rows, md5(string_agg(md5(r::text), '' order by id)) as digest
     from (select * from ${name}) r`;
  const [wanted] = await run.sql(digest(table));
  const hasAll = async (): Promise<boolean> => {
    const [row] = await run.results(`select count(*)::int as rows from ${table}_copy`);
    return row?.["rows"] === wanted?.["rows"];
  };
  await eventually("the copy has all rows", hasAll, { explain: () => process.stderr });
  const [columns] = await run.sql(
    `select string_agg(quote_ident(attname), ', ' order by attnum) as list from pg_attribute
     where attrelid = '${table}'::regclass and attnum > 0`,
  );
  const copy = `(select ${columns?.["list"]} from ${table}_copy) as c`;
  expect(await run.results(digest(copy))).toEqual([wanted]);
}

test("rows of a megabyte arrive byte for byte, in little memory", async () => {
  const run = await plainRun({ source, change: copyOf("big") });
  await run.sql("create table big (id int primary key, body text not null)");
  await run.sql("alter table big alter body set storage external");
  const process = await run.running();
  await run.sql(
    `insert into big
     select n, (select string_agg(md5((n * 32768 + i)::text), '') from generate_series(1, 32768) i)
     from generate_series(1, 24) n`,
  );
  await copied(run, "big", process);
  usesLittleMemory(process, 256);
}, 60_000);

test("1,600 columns arrive, each in its place", async () => {
  const run = await plainRun({ source, change: copyOf("wide") });
  // The copy has columns of its own: as many as PostgreSQL allows together.
  const columns = Array.from({ length: 1_590 }, (_, i) => `c${i} smallint`).join(", ");
  await run.sql(`create table wide (id int primary key, ${columns})`);
  const process = await run.running();
  const values = Array.from({ length: 1_590 }, (_, i) => `(n * 7 + ${i}) % 30000`).join(", ");
  await run.sql(`insert into wide select n, ${values} from generate_series(1, 200) n`);
  await copied(run, "wide", process);
}, 60_000);
