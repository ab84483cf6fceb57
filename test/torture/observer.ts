import { setTimeout as pause } from "node:timers/promises";
import { openSql } from "../services/sql.js";

/** Someone who looks all the time and believes nothing. */
export interface Observer {
  /** Samples in which slot, checkpoint and progress all existed. */
  readonly samples: number;
  /** What must never be, in words. */
  readonly violations: readonly string[];
  stop(): Promise<void>;
}

/** Which pipeline, and how to find its newest checkpoint if it is not beside the results. */
export interface Observed {
  readonly pipeline: string;
  readonly newest?: (() => Promise<bigint | null>) | null;
}

const EVERY_MS = 20;

/**
 * Looks every 20 ms whether `confirmed_flush_lsn <= checkpoint.lsn <= progress.lsn`. All three only
 * grow, so the comparison is sound when the smaller is read before the greater: the slot in one
 * statement (it is no table, so a snapshot does not hold it), then the checkpoint, then the
 * progress.
 */
export function observe(
  urls: { readonly source: string; readonly results: string },
  { pipeline, newest }: Observed,
): Observer {
  const source = openSql(urls.source);
  const results = openSql(urls.results);
  const violations: string[] = [];
  let samples = 0;
  let isStopping = false;

  async function sample(): Promise<void> {
    const [slot] = await source.sql(
      `select (confirmed_flush_lsn - '0/0'::pg_lsn)::text as at from pg_replication_slots
       where slot_name = $1`,
      [`tidemark_${pipeline}`],
    );
    const position = async (table: string): Promise<bigint | null> => {
      const [row] = await results.sql(
        `select (lsn - '0/0'::pg_lsn)::text as at from tidemark.${table} where pipeline = $1`,
        [pipeline],
      );
      return typeof row?.["at"] === "string" ? BigInt(row["at"]) : null;
    };
    const checkpoint = await (newest?.() ?? position("checkpoint"));
    const progress = await position("progress");
    if (typeof slot?.["at"] !== "string" || checkpoint === null || progress === null) return;
    const confirmed = BigInt(slot["at"]);
    samples++;
    if (confirmed > checkpoint) violations.push(`slot ${confirmed} > checkpoint ${checkpoint}`);
    if (checkpoint > progress) violations.push(`checkpoint ${checkpoint} > progress ${progress}`);
  }

  const loop = (async () => {
    while (!isStopping) {
      await sample().catch(() => {}); // no tables yet, or the server is down
      await pause(EVERY_MS);
    }
  })();
  return {
    get samples() {
      return samples;
    },
    violations,
    stop: async () => {
      if (isStopping) return;
      isStopping = true;
      await loop;
      await Promise.all([source.close(), results.close()]);
    },
  };
}
