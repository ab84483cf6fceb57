import { setTimeout as pause } from "node:timers/promises";
import { CheckpointFolder } from "../../src/checkpoint/file/checkpoint-folder.js";
import { FileCheckpointStore } from "../../src/checkpoint/file/file-store.js";
import { parseLsn } from "../../src/core/lsn.js";
import { openSql } from "../services/sql.js";

/** Someone who looks all the time and believes nothing. */
export interface Observer {
  /** Samples in which slot, checkpoint and progress all existed. */
  readonly samples: number;
  /** What must never be, in words. */
  readonly violations: readonly string[];
  stop(): Promise<void>;
}

/** Which pipeline; with a folder its checkpoints lie there and not beside the results. */
export interface Observed {
  readonly pipeline: string;
  readonly folder?: string;
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
  { pipeline, folder }: Observed,
): Observer {
  const source = openSql(urls.source);
  const results = openSql(urls.results);
  const store = folder === undefined ? null : new CheckpointFolder(folder);
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
    const checkpoint = await (store === null ? position("checkpoint") : newestIn(store, pipeline));
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

async function newestIn(folder: CheckpointFolder, pipeline: string): Promise<bigint | null> {
  const facts = await new FileCheckpointStore(folder, pipeline).describe();
  return typeof facts?.lsn === "string" ? parseLsn(facts.lsn) : null;
}
