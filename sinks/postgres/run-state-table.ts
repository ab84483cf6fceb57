import { ERROR_CODES, type ErrorCode } from "../../src/core/error-codes.js";
import { RUN_STATES, type RunStateName } from "../../src/core/run-state.js";
import {
  ensureOwnTable,
  type SqlConnect,
  type SqlRow,
  type SqlSession,
} from "../../src/core/sql.js";
import type {
  PostedNotice,
  PostedNotices,
  StateBoard,
  StateNotice,
} from "../../src/core/state-board.js";

const TABLE = `
  create table if not exists tidemark.run_state (
    pipeline text not null,
    kind text not null check (kind in ('run', 'refusal')),
    state text not null,
    epoch bigint,
    code text,
    message text,
    posted_at timestamptz not null default now(),
    primary key (pipeline, kind)
  )`;

const COMMENT =
  "comment on table tidemark.run_state is 'Tidemark: the state each pipeline has last told'";

const POST = `
  insert into tidemark.run_state as s (pipeline, kind, state, epoch, code, message)
  values ($1, $2, $3, $4, $5, $6)
  on conflict (pipeline, kind) do update
    set state = excluded.state, epoch = excluded.epoch, code = excluded.code,
        message = excluded.message, posted_at = now()
    where s.epoch is null or s.epoch <= excluded.epoch
  returning 1`;

/** Keeps states beside the results. Each notice has a short session of its own. */
export class PostgresStateBoard implements StateBoard {
  readonly #connect: SqlConnect;
  readonly #pipeline: string;

  constructor(connect: SqlConnect, pipeline: string) {
    this.#connect = connect;
    this.#pipeline = pipeline;
  }

  async post({ state, epoch, code, message }: StateNotice): Promise<void> {
    const session = await this.#connect();
    try {
      await ensureOwnTable(session, "run_state", [TABLE, COMMENT]);
      const kind = epoch === null ? "refusal" : "run";
      const posted = await session.query(POST, [this.#pipeline, kind, state, epoch, code, message]);
      if (kind === "refusal" || posted.length === 0) return;
      await session.query(
        "delete from tidemark.run_state where pipeline = $1 and kind = 'refusal'",
        [this.#pipeline],
      );
    } finally {
      await session.end();
    }
  }
}

/** Forgets what a pipeline has told: the epochs of the next one begin anew. */
export async function forgetNotices(session: SqlSession, pipeline: string): Promise<void> {
  if (!(await isThere(session))) return;
  await session.query("delete from tidemark.run_state where pipeline = $1", [pipeline]);
}

async function isThere(session: SqlSession): Promise<boolean> {
  const [found] = await session.query("select to_regclass('tidemark.run_state') as there");
  return found?.["there"] !== null;
}

/** Reads what a pipeline has last told. */
export async function readNotices(session: SqlSession, pipeline: string): Promise<PostedNotices> {
  if (!(await isThere(session))) return { run: null, refusal: null };
  const rows = await session.query(
    `select kind, state, epoch, code, message,
            extract(epoch from posted_at)::float8 * 1000 as at_ms
     from tidemark.run_state where pipeline = $1`,
    [pipeline],
  );
  const of = (kind: string): PostedNotice | null => {
    const row = rows.find((candidate) => candidate["kind"] === kind);
    return row === undefined ? null : noticeOf(row);
  };
  return { run: of("run"), refusal: of("refusal") };
}

/** A state or code that a later version has written is shown as FAILED, or without its code. */
function noticeOf(row: SqlRow): PostedNotice {
  const state = String(row["state"]);
  const code = String(row["code"]);
  const text = row["message"];
  return {
    state: Object.hasOwn(RUN_STATES, state) ? (state as RunStateName) : "FAILED",
    epoch: row["epoch"] === null ? null : Number(row["epoch"]),
    code: Object.hasOwn(ERROR_CODES, code) ? (code as ErrorCode) : null,
    message: typeof text === "string" ? text : null,
    atMs: Number(row["at_ms"]),
  };
}
