import { PostgresSink } from "../../../sinks/postgres/postgres-sink.js";
import { readProgress } from "../../../sinks/postgres/progress.js";
import { TidemarkError } from "../../core/errors.js";
import type { Lsn } from "../../core/lsn.js";
import { quoteIdent, quoteTable, type SqlConnect, type SqlSession } from "../../core/sql.js";
import { intoSchema, tableInSchema } from "../../pipeline/into-schema.js";
import { outputTablesOf, type Plan } from "../../pipeline/plan.js";
import { type ReplayOutcome, type ReplayParts, replay } from "../../pipeline/replay.js";
import type { Settings } from "../../pipeline/settings.js";
import { sqlConnect } from "../../source/sql-client.js";
import { type Comparison, compareResults } from "./compare-results.js";
import { type ComparedRange, comparedRows } from "./compared-rows.js";

/** Where the results of a replay go, and how they are compared. */
export interface ReplayTarget {
  /** Null: a schema of this process's own, which is dropped at the end. */
  readonly schema: string | null;
  readonly all: boolean;
  readonly maxExamples: number;
}

/** Where the pipeline's results stand, or null when it has none. */
export async function resultsPosition(settings: Settings): Promise<Lsn | null> {
  return withSession(connectResults(settings), (session) => position(session, settings.pipeline));
}

/** Replays into tables of another schema, beside the results that exist, and compares the two. */
export async function replayIntoDatabase(
  parts: Omit<ReplayParts, "sink">,
  settings: Settings,
  target: ReplayTarget,
): Promise<{ outcome: ReplayOutcome; schema: string | null; comparisons: Comparison[] }> {
  const schema = target.schema ?? `tidemark_replay_${process.pid}`;
  refuseLive(parts.plan, schema);
  const connect = connectResults(settings);
  const plan = intoSchema(parts.plan, schema);
  await withSession(connect, (session) =>
    session.query(`create schema if not exists ${quoteIdent(schema)}`),
  );
  try {
    await removeReplay(connect, plan, schema); // of an earlier time
    const sink = new PostgresSink(connect, sinkName(schema));
    const outcome = await replay({ ...parts, plan, sink });
    const comparisons = await withSession(connect, async (session) => {
      const resultsLsn = await position(session, settings.pipeline);
      const range = { plan: parts.plan, outcome, resultsLsn };
      return compareAll(session, range, { ...target, schema });
    });
    return { outcome, schema: target.schema, comparisons };
  } finally {
    if (target.schema === null) {
      await removeReplay(connect, plan, schema);
      await withSession(connect, (session) => session.query(`drop schema ${quoteIdent(schema)}`));
    }
  }
}

async function compareAll(
  session: SqlSession,
  range: ComparedRange,
  target: ReplayTarget & { readonly schema: string },
): Promise<Comparison[]> {
  const { all, maxExamples, schema } = target;
  const comparisons: Comparison[] = [];
  for (const table of outputTablesOf(range.plan)) {
    const replayed = tableInSchema(table, schema);
    const shape = range.outcome.outputs.find(({ name }) => name === replayed);
    if (shape === undefined || !(await exists(session, table))) continue;
    const live = { ...shape, name: table };
    const rows = all ? { words: "all rows", condition: "" } : comparedRows(range, live);
    const tables = { shape: live, replayed, existing: table, rows, maxExamples };
    comparisons.push(await compareResults(session, tables));
  }
  return comparisons;
}

/** Under this name the position of a replay is kept. */
function sinkName(schema: string): string {
  return `replay into ${schema}`;
}

/** Drops tables and position of a replay. */
async function removeReplay(connect: SqlConnect, plan: Plan, schema: string): Promise<void> {
  const sink = new PostgresSink(connect, sinkName(schema));
  try {
    await sink.open();
    await sink.reset(outputTablesOf(plan));
  } finally {
    await sink.close();
  }
}

/** A replay begins from nothing, so it must never be given the tables that a run keeps. */
function refuseLive(plan: Plan, schema: string): void {
  const live = outputTablesOf(plan).find((table) => tableInSchema(table, schema) === table);
  if (live === undefined && schema !== "tidemark") return;
  throw new TidemarkError(
    "CONFIG_INVALID",
    `--into ${schema} would write ${live ?? "where Tidemark keeps its positions"}. Name a schema ` +
      "that the pipeline does not write to.",
  );
}

async function position(session: SqlSession, pipeline: string): Promise<Lsn | null> {
  if (!(await exists(session, "tidemark.progress"))) return null;
  return (await readProgress(session, pipeline))?.position.lsn ?? null;
}

async function exists(session: SqlSession, table: string): Promise<boolean> {
  const [found] = await session.query("select to_regclass($1) is not null as there", [
    quoteTable(table),
  ]);
  return found?.["there"] === true;
}

function connectResults(settings: Settings): SqlConnect {
  return sqlConnect({
    url: settings.resultsUrl,
    role: "results",
    applicationName: `tidemark ${settings.pipeline} replay`,
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
