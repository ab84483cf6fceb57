import { TidemarkError } from "../../src/core/errors.js";
import { formatLsn, parseLsn } from "../../src/core/lsn.js";
import type { Position } from "../../src/core/position.js";
import type { SinkCommit, SinkProgress } from "../../src/core/sink.js";
import { ensureOwnTable, type SqlRow, type SqlSession } from "../../src/core/sql.js";

// The progress row is what makes results exactly-once: it is written in the transaction that
// writes the results, and only by the epoch that claimed it last.

const TABLE = `
  create table if not exists tidemark.progress (
    pipeline text primary key,
    epoch bigint not null,
    system_id text not null,
    timeline integer not null,
    lsn pg_lsn not null,
    watermark timestamptz,
    idle_clock_ms double precision,
    updated_at timestamptz not null default now()
  )`;

const COMMENT =
  "comment on table tidemark.progress is " +
  "'Tidemark: up to which commit of the source the results of a pipeline are complete'";

/** 24 November 4714 BC, PostgreSQL's first; a watermark may lie before it, by outOfOrder. */
const FIRST_TIME_MS = -210_866_803_200_000;

const COLUMNS = "epoch, system_id, timeline, lsn::text as lsn, idle_clock_ms";

const ANEW =
  "system_id = excluded.system_id, timeline = excluded.timeline, lsn = excluded.lsn, " +
  "watermark = null, idle_clock_ms = null";

/** Creates the table unless it is there. */
export async function ensureProgressTable(session: SqlSession): Promise<void> {
  await ensureOwnTable(session, "progress", [TABLE, COMMENT]);
}

export async function readProgress(
  session: SqlSession,
  pipeline: string,
): Promise<SinkProgress | null> {
  const [row] = await session.query(
    `select ${COLUMNS} from tidemark.progress where pipeline = $1`,
    [pipeline],
  );
  return row === undefined ? null : progressOf(row);
}

function progressOf(row: SqlRow): SinkProgress {
  const position: Position = {
    systemId: String(row["system_id"]),
    timeline: Number(row["timeline"]),
    lsn: parseLsn(String(row["lsn"])),
  };
  const idle = row["idle_clock_ms"];
  return { position, epoch: Number(row["epoch"]), idleMs: idle === null ? null : Number(idle) };
}

/** Makes `epoch` the writer and returns the progress as it then stands, or throws FENCED. */
export async function claimProgress(
  session: SqlSession,
  pipeline: string,
  claim: { readonly epoch: number; readonly position: Position; readonly isAnew: boolean },
): Promise<SinkProgress> {
  const { epoch, position, isAnew } = claim;
  const [claimed] = await session.query(
    `insert into tidemark.progress as p (pipeline, epoch, system_id, timeline, lsn)
     values ($1, $2, $3, $4, $5)
     on conflict (pipeline) do update set epoch = excluded.epoch, updated_at = now()${
       isAnew ? `, ${ANEW}` : ""
     }
       where p.epoch < excluded.epoch
     returning ${COLUMNS}`,
    [pipeline, epoch, position.systemId, position.timeline, formatLsn(position.lsn)],
  );
  if (claimed === undefined) throw fenced(pipeline);
  return progressOf(claimed);
}

/** Moves the progress inside the caller's transaction, or throws FENCED. */
export async function moveProgress(
  session: SqlSession,
  pipeline: string,
  commit: SinkCommit,
): Promise<void> {
  const { epoch, position, watermarkMs, idleMs } = commit;
  const moved = await session.query(
    `update tidemark.progress
     set lsn = $3, timeline = $4, watermark = to_timestamp($5::float8 / 1000), idle_clock_ms = $6,
         updated_at = now()
     where pipeline = $1 and epoch = $2 and lsn <= $3 and system_id = $7
     returning 1`,
    [
      pipeline,
      epoch,
      formatLsn(position.lsn),
      position.timeline,
      watermarkMs === null ? null : Math.max(watermarkMs, FIRST_TIME_MS),
      idleMs,
      position.systemId,
    ],
    "move progress",
  );
  if (moved.length === 0) throw fenced(pipeline);
}

function fenced(pipeline: string): TidemarkError {
  return new TidemarkError(
    "FENCED",
    `Another instance of pipeline ${pipeline} has taken over its results; this one stops. ` +
      "Nothing it held back was written.",
    { detail: { pipeline } },
  );
}
