import { openSql } from "../services/sql.js";
import { type Sampling, sampleEvery } from "./sampling.js";

/** Which pipeline, and how to find its newest checkpoint if it is not beside the results. */
export interface Observed {
  readonly pipeline: string;
  readonly newest?: (() => Promise<bigint | null>) | null;
}

const EVERY_MS = 20;

/**
 * Looks every 20 ms whether `confirmed_flush_lsn <= checkpoint.lsn <= progress.lsn`; a sample is a
 * look at which all three existed. All three only grow, so the comparison is sound when the smaller
 * is read before the greater: the slot in one statement (it is no table, so a snapshot does not
 * hold it), then the checkpoint, then the progress.
 */
export function observe(
  urls: { readonly source: string; readonly results: string },
  { pipeline, newest }: Observed,
): Sampling {
  const source = openSql(urls.source);
  const results = openSql(urls.results);

  async function look(): Promise<string[] | null> {
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
    if (typeof slot?.["at"] !== "string" || checkpoint === null || progress === null) return null;
    const confirmed = BigInt(slot["at"]);
    return [
      ...(confirmed > checkpoint ? [`slot ${confirmed} > checkpoint ${checkpoint}`] : []),
      ...(checkpoint > progress ? [`checkpoint ${checkpoint} > progress ${progress}`] : []),
    ];
  }

  return sampleEvery(EVERY_MS, look, () => Promise.all([source.close(), results.close()]));
}
