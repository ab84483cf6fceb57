import { checkExisting } from "../../../sinks/postgres/existing-table.js";
import { requireVersion } from "../../../sinks/postgres/postgres-sink.js";
import { readProgress } from "../../../sinks/postgres/progress.js";
import { readHeader } from "../../checkpoint/postgres-store.js";
import type { CheckpointHeader } from "../../core/checkpoint-store.js";
import type { OutputShape } from "../../core/output.js";
import type { SinkProgress } from "../../core/sink.js";
import { quoteIdent, type SqlSession, splitTableName } from "../../core/sql.js";
import { formatBytes } from "../render.js";
import { judgeAccess, readAccess } from "./access.js";
import { collect, type Finding, fail, ok } from "./finding.js";

/** Where progress and checkpoints are kept. */
const SCHEMA = "tidemark";

/** What the results database says. */
export interface ResultsReport {
  readonly findings: readonly Finding[];
  readonly progress: SinkProgress | null;
}

/** Whether results can be written; creates nothing. */
export async function checkResults(
  session: SqlSession,
  pipeline: string,
  shapes: readonly OutputShape[],
): Promise<ResultsReport> {
  const access = await readAccess(session, SCHEMA, ["progress"]);
  const own = judgeAccess("results tables", access, true);
  const isThere = own.verdict === "ok" && access.present.length > 0;
  const findings: Finding[] = [
    ...(await collect("results version", async () => {
      await requireVersion(session);
      return [ok("results version", "PostgreSQL 15 or later")];
    })),
    own,
  ];
  for (const shape of shapes) {
    const check = () => checkOutput(session, shape);
    findings.push(...(await collect(`${shape.kind} ${shape.name}`, check)));
  }
  return { findings, progress: isThere ? await readProgress(session, pipeline) : null };
}

async function checkOutput(session: SqlSession, shape: OutputShape): Promise<Finding[]> {
  const { schema, name } = splitTableName(shape.name);
  const finding = `${shape.kind} ${shape.name}`;
  const access = await readAccess(session, schema, [name]);
  const judged = judgeAccess(finding, access, false);
  if (judged.verdict !== "ok" || access.present.length === 0) return [judged];
  await checkExisting(session, shape);
  return [
    ok(finding, `The table is there, with its ${shape.columns.length} columns and its key`),
  ].concat(await checkRepublished(session, shape.name));
}

/** A view has no primary key: a publication of its updates makes PostgreSQL refuse our upserts. */
async function checkRepublished(session: SqlSession, view: string): Promise<Finding[]> {
  const { schema, name } = splitTableName(view);
  const table = `${quoteIdent(schema)}.${quoteIdent(name)}`;
  const rows = await session.query(
    `select p.pubname as name from pg_publication p join pg_publication_tables t using (pubname)
     where (p.pubupdate or p.pubdelete) and t.schemaname = $1 and t.tablename = $2
       and (select relreplident in ('d', 'n') and not exists
              (select 1 from pg_index i where i.indrelid = c.oid and i.indisprimary)
            from pg_class c where c.oid = to_regclass($3))
     order by 1 limit 1`,
    [schema, name, table],
  );
  return rows.map((row) =>
    fail(
      `replica identity ${view}`,
      `Publication ${row["name"]} sends this view's updates, and the table has no replica ` +
        "identity: PostgreSQL refuses to update its rows",
      { fix: `ALTER TABLE ${table} REPLICA IDENTITY FULL;` },
    ),
  );
}

/** What the checkpoint database says; `header` is undefined when it cannot be read. */
export interface CheckpointReport {
  readonly findings: readonly Finding[];
  readonly header: CheckpointHeader | null | undefined;
}

/** Whether checkpoints can be saved, and what there is; creates nothing. */
export async function checkCheckpoints(
  session: SqlSession,
  pipeline: string,
  maxStateBytes: number,
): Promise<CheckpointReport> {
  const access = await readAccess(session, SCHEMA, ["checkpoint", "checkpoint_block"]);
  const judged = judgeAccess("checkpoint tables", access, true);
  if (judged.verdict !== "ok") return { findings: [judged], header: undefined };
  if (!access.present.includes("checkpoint")) return { findings: [judged], header: null };
  const [row] = await session.query(
    `select coalesce(sum(octet_length(bytes)), 0)::float8 as bytes
     from tidemark.checkpoint_block where pipeline = $1`,
    [pipeline],
  );
  const size = formatBytes(Number(row?.["bytes"]));
  const state = ok("state", `The last checkpoint holds ${size} of window state`, {
    cost: `About that much memory at the least; the limit is ${formatBytes(maxStateBytes)}`,
  });
  const header = await readHeader(session, pipeline);
  return { findings: header === null ? [judged] : [judged, state], header };
}
