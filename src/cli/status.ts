import { countDeadLetters, type DeadLetterCount } from "../../sinks/postgres/dead-letter-table.js";
import { readNotices } from "../../sinks/postgres/run-state-table.js";
import { CheckpointFolder } from "../checkpoint/file/checkpoint-folder.js";
import { FileCheckpointStore } from "../checkpoint/file/file-store.js";
import { type JudgedState, judgeState } from "../core/judge-state.js";
import { type SqlConnect, type SqlRow, type SqlSession, tableExists } from "../core/sql.js";
import { formatLsn, type PipelineDefinition, redisStore } from "../index.js";
import { resolveSettings, type Settings } from "../pipeline/settings.js";
import { GrowingRecording } from "../source/detour/growing-recording.js";
import { sqlConnect } from "../source/sql-client.js";
import { environment } from "./environment.js";

/** Where a pipeline stands, seen from its databases; nothing has to run. */
export interface PipelineStatus {
  readonly pipeline: string;
  /** Null when it has never run. */
  readonly state: JudgedState | null;
  readonly slot: SqlRow | null;
  readonly results: SqlRow | null;
  readonly checkpoint: SqlRow | null;
  /** What a detour holds that the slot has passed; null when there is none. */
  readonly detour: SqlRow | null;
  /** By step and code. */
  readonly deadLetters: readonly DeadLetterCount[];
}

const SLOT = `
  select slot_name as name, active, active_pid, wal_status,
         confirmed_flush_lsn::text as confirmed_flush_lsn, restart_lsn::text as restart_lsn,
         pg_wal_lsn_diff(pg_current_wal_flush_lsn(), confirmed_flush_lsn)::float8 as lag_bytes,
         pg_wal_lsn_diff(pg_current_wal_flush_lsn(), restart_lsn)::float8 as held_wal_bytes
  from pg_replication_slots where slot_name = $1`;

const RESULTS = `
  select epoch::int, lsn::text as lsn, watermark, updated_at
  from tidemark.progress where pipeline = $1`;

const CHECKPOINT = `
  select c.epoch::int, c.lsn::text as lsn, c.updated_at, count(b.block)::int as blocks,
         coalesce(sum(octet_length(b.bytes)), 0)::float8 as state_bytes
  from tidemark.checkpoint c left join tidemark.checkpoint_block b using (pipeline)
  where c.pipeline = $1 group by c.pipeline`;

/** Reads slot, progress and checkpoint. */
export async function readStatus(definition: PipelineDefinition): Promise<PipelineStatus> {
  const settings = resolveSettings(definition, environment);
  const { name } = definition;
  const connect = (url: string, role: "source" | "results" | "checkpoint"): SqlConnect =>
    sqlConnect({ url, role, applicationName: `tidemark ${name} status` });
  const slot = await one(connect(settings.source.url, "source"), SLOT, settings.source.slotName);
  const results = connect(settings.resultsUrl, "results");
  const { posted, deadLetters } = await withSession(results, async (session) => ({
    posted: await readNotices(session, name),
    deadLetters: await countDeadLetters(session, name),
  }));
  return {
    pipeline: name,
    state: judgeState(posted, slot?.["active"] === true),
    slot,
    results: await one(results, RESULTS, name, "progress"),
    deadLetters,
    checkpoint: await readCheckpoint(settings, (url) => connect(url, "checkpoint")),
    detour: await readDetour(settings),
  };
}

async function readDetour({ walBudget }: Settings): Promise<SqlRow | null> {
  const dir = walBudget?.detour?.recording.dir;
  const range = dir === undefined ? null : await new GrowingRecording(dir).range();
  if (range === null) return null;
  return { dir, begin: formatLsn(range.begin.lsn), end: formatLsn(range.end.lsn) };
}

async function readCheckpoint(
  { pipeline, checkpoint }: Settings,
  connect: (url: string) => SqlConnect,
): Promise<SqlRow | null> {
  switch (checkpoint.kind) {
    case "postgres":
      return one(connect(checkpoint.url), CHECKPOINT, pipeline, "checkpoint");
    case "file": {
      const folder = new CheckpointFolder(checkpoint.dir);
      const facts = await new FileCheckpointStore(folder, pipeline).describe();
      return facts === null ? null : { ...facts, dir: checkpoint.dir };
    }
    case "redis": {
      const store = redisStore(pipeline, checkpoint);
      try {
        const facts = await store.describe();
        return facts === null ? null : { ...facts };
      } finally {
        await store.close();
      }
    }
  }
}

function one(
  connect: SqlConnect,
  text: string,
  value: string,
  table?: string,
): Promise<SqlRow | null> {
  return withSession(connect, async (session) => {
    if (table !== undefined && !(await tableExists(session, `tidemark.${table}`))) return null;
    return (await session.query(text, [value]))[0] ?? null;
  });
}

async function withSession<T>(
  connect: SqlConnect,
  use: (session: SqlSession) => Promise<T>,
): Promise<T> {
  const session = await connect();
  try {
    return await use(session);
  } finally {
    await session.end();
  }
}

/** The status as text, a fact a line. */
export function renderStatus(status: PipelineStatus): string {
  const section = (title: string, row: SqlRow | null): string[] => [
    title,
    ...(row === null
      ? ["  not there"]
      : Object.entries(row).map(([key, value]) => `  ${key.padEnd(20)} ${printable(value)}`)),
  ];
  return [
    `pipeline ${status.pipeline}`,
    ...stateLines(status.state),
    ...section("slot", status.slot),
    ...section("results", status.results),
    ...section("checkpoint", status.checkpoint),
    ...(status.detour === null ? [] : section("detour", status.detour)),
    ...status.deadLetters.map(
      ({ step, code, rows }) => `dead letters: ${rows} ${code ?? "held back"}, step "${step}"`,
    ),
  ].join("\n");
}

function printable(value: unknown): string {
  return value instanceof Date ? value.toISOString() : String(value);
}

function stateLines(state: JudgedState | null): string[] {
  if (state === null) return ["state", "  it has never run"];
  const { sinceMs, code, message } = state;
  return [
    `state ${state.state}${sinceMs === null ? "" : ` since ${new Date(sinceMs).toISOString()}`}`,
    `  ${state.happened}`,
    ...(message === null ? [] : [`  ${message} [${code}]`]),
    `  ${state.wayOut}`,
  ];
}
