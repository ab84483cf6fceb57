import type { BenchDatabase, Sql } from "./database.js";
import { type PipelineProcess, startPipeline } from "./pipeline-process.js";
import type { ReaderReport } from "./processes/order.js";
import { awaitView } from "./view-check.js";

/** A pipeline that follows a table while others write to it. */
export interface LivePipeline {
  readonly view: string;
  readonly idleRssMiB: number;
  readonly pid: number;
  /**
   * Waits until the view holds all that the table does, compares both, stops the pipeline and
   * drops its slot. Throws WrongResult if they differ.
   */
  finish(): Promise<ReaderReport>;
}

export interface LivePipelineOptions {
  /** Of the pipeline, its slot, publication and view. */
  readonly name: string;
  readonly table: string;
  /** Where results and checkpoints go; the source when absent. */
  readonly results?: BenchDatabase;
}

const CATCH_UP_MS = 300_000;

/** Starts a pipeline of the usual kind at the end of the log. Rows of before do not count. */
export async function startLive(
  db: BenchDatabase,
  { name, table, results = db }: LivePipelineOptions,
): Promise<LivePipeline> {
  const [row] = await db.sql(`select coalesce(max(id), 0)::int as id from ${table}`);
  const pipeline: PipelineProcess = await startPipeline({
    url: db.url,
    resultsUrl: results.url,
    ...{ pipeline: name, slotName: name, publication: name, table, view: name },
    touchAll: false,
    endLsn: null,
  });
  const afterId = Number(row?.["id"]);
  return {
    view: name,
    idleRssMiB: pipeline.idleRssMiB,
    pid: pipeline.process.pid,
    async finish() {
      const check = { source: db.sql, results: results.sql, table, view: name, afterId };
      await awaitView(check, CATCH_UP_MS);
      const report = await pipeline.finish();
      await dropSlot(db.sql, name);
      return report;
    },
  };
}

/** Waits for the walsender, which outlives its client by a moment, then drops the slot. */
export async function dropSlot(sql: Sql, slotName: string): Promise<void> {
  for (;;) {
    const dropped = await sql(
      `select pg_drop_replication_slot(slot_name) from pg_replication_slots
       where slot_name = $1 and not active`,
      [slotName],
    );
    if (dropped.length > 0) return;
    await sql("select pg_sleep(0.05)");
  }
}
