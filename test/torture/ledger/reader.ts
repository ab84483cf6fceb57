import { openSql } from "../../services/sql.js";
import { type Sampling, sampleEvery } from "../sampling.js";

const EVERY_MS = 100;
/** The whole view is summed up so seldom. */
const SUM_EVERY = 10;

/** Newest transactions whose events are not all there, and newest events without transaction. */
const PARTS = `
  select
    (select count(*)::int from (select * from tx_log order by _commit_lsn desc limit 30) t
     cross join lateral (
       select count(*) as n, coalesce(sum(amount), 0) as sum from event_log where tx_id = t.tx_id
     ) e where e.n <> t.n or e.sum <> t.sum) as torn,
    (select count(*)::int from (
       select tx_id from event_log order by _commit_lsn desc limit 100) e
     where not exists (select 1 from tx_log t where t.tx_id = e.tx_id)) as orphans`;

const SUMS = `
  select (select coalesce(sum(rows), 0)::int from event_minutes) as viewed,
         (select count(*)::int from event_log) as logged`;

/**
 * Someone who reads the results all the time. L5: one statement, and so one snapshot, never sees a
 * part of a source transaction.
 */
export function startReader(url: string): Sampling {
  const { sql, close } = openSql(url);

  async function look(samples: number): Promise<string[]> {
    const found: string[] = [];
    if (samples === 0) await sql("create index if not exists event_log_tx on event_log (tx_id)");
    const [parts] = await sql(PARTS);
    if (parts?.["torn"] !== 0) found.push(`L5 ${parts?.["torn"]} transactions seen in part`);
    if (parts?.["orphans"] !== 0) found.push(`L5 ${parts?.["orphans"]} events seen alone`);
    if (samples % SUM_EVERY !== 0) return found;
    const [sums] = await sql(SUMS);
    if (sums?.["viewed"] !== sums?.["logged"]) found.push(`L5 ${JSON.stringify(sums)}`);
    return found;
  }

  return sampleEvery(EVERY_MS, look, close);
}
