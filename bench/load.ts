import type { BenchDatabase } from "./database.js";
import { insertSql } from "./processes/events-table.js";
import { progress } from "./report.js";

export const ROWS_PER_TRANSACTION = 100;
const CONNECTIONS = 4;

/** What a load left in the log. */
export interface Load {
  /** Inside the last transaction: exactly one commit ends after this position. */
  readonly lastBeginLsn: string;
}

/**
 * Inserts `rows` rows spread over an hour of event time, 100 a transaction, over several
 * connections, so that transactions overlap in the log as they do in life. The last transaction
 * runs alone.
 */
export async function loadEvents(db: BenchDatabase, table: string, rows: number): Promise<Load> {
  const started = performance.now();
  const createdAt = `timestamptz '2026-01-01 10:00:00Z' + (n - 1) * interval '1 hour' / ${rows}`;
  const text = insertSql(table, createdAt);
  const last = rows - ROWS_PER_TRANSACTION + 1;
  let next = 1;
  const work = async (): Promise<void> => {
    const client = await db.connect();
    for (let from = next; from < last; from = next) {
      next += ROWS_PER_TRANSACTION;
      await client.query({ name: "load", text, values: [from, from + ROWS_PER_TRANSACTION - 1] });
    }
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, work));
  await db.sql("begin");
  await db.sql(text, [last, rows]);
  const [row] = await db.sql("select pg_current_wal_insert_lsn()::text as lsn");
  await db.sql("commit");
  await db.sql("checkpoint");
  const seconds = (performance.now() - started) / 1000;
  progress(
    `Loaded ${rows} rows in ${rows / ROWS_PER_TRANSACTION} transactions, ${seconds.toFixed(1)} s.`,
  );
  return { lastBeginLsn: String(row?.["lsn"]) };
}
