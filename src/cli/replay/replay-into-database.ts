import { PostgresSink } from "../../../sinks/postgres/postgres-sink.js";
import { readProgress } from "../../../sinks/postgres/progress.js";
import { TidemarkError } from "../../core/errors.js";
import type { Lsn } from "../../core/lsn.js";
import { quoteIdent, type SqlConnect, type SqlSession, tableExists } from "../../core/sql.js";
import { intoSchema, tableInSchema } from "../../pipeline/into-schema.js";
import { outputTablesOf, type Plan } from "../../pipeline/plan.js";
import { type ReplayOutcome, type ReplayParts, replay } from "../../pipeline/replay.js";
import type { Settings } from "../../pipeline/settings.js";
import { sqlConnect } from "../../source/sql-client.js";
import { type Comparison, compareResults } from "./compare-results.js";
import { type ComparedRange, comparedRows } from "./compared-rows.js";
import { dropLeftovers, forgetReplay, holdScratchSchema, sinkName } from "./scratch-schema.js";

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

/** What came of a replay into a database. */
export interface DatabaseReplay {
  readonly outcome: ReplayOutcome;
  /** Null when the results were only compared. */
  readonly schema: string | null;
  readonly comparisons: readonly Comparison[];
  /** Schemas of replays that were killed, which were dropped. */
  readonly leftovers: readonly string[];
}

/** Replays into tables of another schema, beside the results that exist, and compares the two. */
export async function replayIntoDatabase(
  parts: Omit<ReplayParts, "sink">,
  settings: Settings,
  target: ReplayTarget,
): Promise<DatabaseReplay> {
  const connect = connectResults(settings);
  const leftovers = await dropLeftovers(connect);
  if (target.schema !== null) {
    const { schema } = target;
    refuseLive(parts.plan, schema);
    await withSession(connect, (session) =>
      session.query(`create schema if not exists ${quoteIdent(schema)}`),
    );
    const replayed = await replayInto(parts, { settings, target, schema, connect });
    return { ...replayed, schema, leftovers };
  }
  const scratch = await holdScratchSchema(connect);
  try {
    const schema = scratch.name;
    const replayed = await replayInto(parts, { settings, target, schema, connect });
    return { ...replayed, schema: null, leftovers };
  } finally {
    await scratch.drop();
  }
}

/** Replays into a schema that is there. */
async function replayInto(
  parts: Omit<ReplayParts, "sink">,
  where: {
    readonly settings: Settings;
    readonly target: ReplayTarget;
    readonly schema: string;
    readonly connect: SqlConnect;
  },
): Promise<Pick<DatabaseReplay, "outcome" | "comparisons">> {
  const { settings, target, schema, connect } = where;
  const plan = intoSchema(parts.plan, schema);
  await forgetReplay(connect, outputTablesOf(plan), schema); // of an earlier time
  const sink = new PostgresSink(connect, sinkName(schema));
  const outcome = await replay({ ...parts, plan, sink });
  const comparisons = await withSession(connect, async (session) => {
    const resultsLsn = await position(session, settings.pipeline);
    const range = { plan: parts.plan, outcome, resultsLsn };
    return compareAll(session, range, { ...target, schema });
  });
  return { outcome, comparisons };
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
    if (shape === undefined || !(await tableExists(session, table))) continue;
    const live = { ...shape, name: table };
    const rows = all ? { words: "all rows", condition: "" } : comparedRows(range, live);
    const tables = { shape: live, replayed, existing: table, rows, maxExamples };
    comparisons.push(await compareResults(session, tables));
  }
  return comparisons;
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
  if (!(await tableExists(session, "tidemark.progress"))) return null;
  return (await readProgress(session, pipeline))?.position.lsn ?? null;
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
