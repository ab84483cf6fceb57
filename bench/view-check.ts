import { setTimeout as pause } from "node:timers/promises";
import type { Sql } from "./database.js";
import { WrongResult } from "./report.js";

/** Which view has to be equal to what, and where each of them is. */
export interface ViewCheck {
  readonly source: Sql;
  readonly results: Sql;
  readonly table: string;
  readonly view: string;
  /** Only rows with a higher id count. */
  readonly afterId?: number;
}

const COLUMNS = "event_type, minute, event_count::bigint as event_count, total_amount";

/** Throws WrongResult unless the view holds exactly what the source's own query says. */
export async function checkView(check: ViewCheck): Promise<void> {
  const { results, view } = check;
  const expected = await expectedRows(check);
  // The rows travel as JSON, because the view may be on another server.
  const text = `with expected as (
      select * from jsonb_to_recordset($1::jsonb)
        as e(event_type text, minute timestamptz, event_count bigint, total_amount numeric)
    ), actual as (select ${COLUMNS} from ${view})
    select (select count(*) from (table actual except table expected) a)::int as extra,
      (select count(*) from (table expected except table actual) b)::int as missing,
      (select count(*) from actual)::int as groups`;
  const [row] = await results(text, [JSON.stringify(expected)]);
  const { extra, missing, groups } = row as { extra: number; missing: number; groups: number };
  if (extra === 0 && missing === 0 && groups === expected.length) return;
  throw new WrongResult(
    `The view ${view} differs from the source: ${extra} rows that should not be there, ` +
      `${missing} missing, ${groups} instead of ${expected.length}.`,
  );
}

/** Waits until as many rows are in the view as in the source, then compares it. */
export async function awaitView(check: ViewCheck, timeoutMs: number): Promise<void> {
  const { source, results, table, view, afterId = 0 } = check;
  const [counted] = await source(`select count(*) as n from ${table} where id > $1`, [afterId]);
  const deadline = performance.now() + timeoutMs;
  for (;;) {
    const [row] = await results(`select coalesce(sum(event_count), 0) as n from ${view}`);
    if (String(row?.["n"]) === String(counted?.["n"])) break;
    if (performance.now() > deadline) {
      throw new WrongResult(`The view ${view} has ${row?.["n"]} rows, not ${counted?.["n"]}.`);
    }
    await pause(20);
  }
  await checkView(check);
}

async function expectedRows({ source, table, afterId = 0 }: ViewCheck) {
  const rows = await source(
    `select coalesce(jsonb_agg(e), '[]')::text as rows from (
       select event_type, date_trunc('minute', created_at) as minute, count(*) as event_count,
         sum(amount)::text as total_amount
       from ${table} where id > $1 group by 1, 2) e`,
    [afterId],
  );
  return JSON.parse(String(rows[0]?.["rows"])) as unknown[];
}
