import type { Sql } from "../services/sql.js";

/** The table that the writers write to. `commit timestamps` must be on for the second view. */
export const TABLE = `
  create table readings (
    id bigint generated always as identity primary key,
    device integer not null,
    region text,
    is_kept boolean not null,
    at timestamptz not null,
    amount numeric(12,2)
  )`;

/** A statement that inserts `$1` rows of chance values. */
export const INSERT = `
  insert into readings (device, region, is_kept, at, amount)
  select (random() * 20)::int, (array['north', 'south', null])[1 + (random() * 2.99)::int],
         random() < 0.8, now() - random() * interval '10 minutes',
         case when random() < 0.9 then round((random() * 2000 - 1000)::numeric, 2) end
  from generate_series(1, $1)`;

/** A pipeline of two views over the table: by event time, and by the time of the commit. */
export function readingsConfig(name: string): string {
  return `
import {
  avg, count, defineConfig, max, min, pipeline, postgres, slot, sum, tumbling,
} from "tidemark";

export default defineConfig(
  pipeline("${name}", { source: slot({}) }, (from) => {
    from("readings", { eventTime: "at", appendOnly: true })
      .filter((row) => row.is_kept)
      .groupBy("device")
      .window(tumbling("1 minute", "minute"))
      .aggregate({
        rows: count(),
        total: sum("amount"),
        mean: avg("amount"),
        least: min("amount"),
        greatest: max("amount"),
      })
      .into(postgres.view("by_device"));
    from("readings", { appendOnly: true })
      .groupBy("region", "is_kept")
      .window(tumbling("1 second", "second"))
      .aggregate({ rows: count(), amounts: count("amount") })
      .into(postgres.view("by_region"));
  }),
);
`;
}

const BY_DEVICE = `
  select device, date_trunc('minute', at) as minute, count(*) as rows, sum(amount)::text as total,
         avg(amount)::text as mean, min(amount)::text as least, max(amount)::text as greatest
  from readings where is_kept group by 1, 2`;

const BY_REGION = `
  select region, is_kept, date_trunc('second', pg_xact_commit_timestamp(xmin)) as second,
         count(*) as rows, count(amount) as amounts
  from readings group by 1, 2, 3`;

const VIEWS = [
  [
    "by_device",
    BY_DEVICE,
    `select device, minute, rows, total::text, mean::text, least::text, greatest::text
     from by_device`,
  ],
  ["by_region", BY_REGION, "select region, is_kept, second, rows, amounts from by_region"],
] as const;

/** What the view lacks and what it has too much, by name of the view; equal views are left out. */
export async function differences(source: Sql, results: Sql): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {};
  for (const [name, query, view] of VIEWS) {
    const [wanted, actual] = await Promise.all([rowsOf(source, query), rowsOf(results, view)]);
    const missing = [...wanted].filter((row) => !actual.has(row));
    const surplus = [...actual].filter((row) => !wanted.has(row));
    if (missing.length > 0 || surplus.length > 0) {
      found[name] = {
        missing: missing.length,
        surplus: surplus.length,
        examples: [...missing.slice(0, 3), "instead of", ...surplus.slice(0, 3)],
      };
    }
  }
  return found;
}

// Set difference both ways outside the server: source and results may be two servers.
async function rowsOf(sql: Sql, query: string): Promise<Set<string>> {
  const rows = await sql(`select row_to_json(r)::text as row from (${query}) r`);
  const set = new Set(rows.map(({ row }) => String(row)));
  if (set.size !== rows.length) throw new Error("a key occurs twice");
  return set;
}

/** Rows committed and rows counted by either view; null while the views do not exist yet. */
export async function rowCounts(
  source: Sql,
  results: Sql,
): Promise<{ committed: number; byDevice: number; byRegion: number; kept: number }> {
  const [wanted] = await source(
    "select count(*)::int as n, count(*) filter (where is_kept)::int as kept from readings",
  );
  const [actual] = await results(
    `select (select coalesce(sum(rows), 0)::int from by_device) as by_device,
            (select coalesce(sum(rows), 0)::int from by_region) as by_region`,
  );
  return {
    committed: Number(wanted?.["n"]),
    kept: Number(wanted?.["kept"]),
    byDevice: Number(actual?.["by_device"]),
    byRegion: Number(actual?.["by_region"]),
  };
}
