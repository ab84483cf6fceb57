import type { PostgresRole } from "../../core/postgres-errors.js";
import type { SqlSession } from "../../core/sql.js";
import type { PipelineDefinition } from "../../pipeline/builder.js";
import { copiedTables } from "../../pipeline/plan.js";
import type { Settings } from "../../pipeline/settings.js";
import { identifyServer } from "../../source/identify-server.js";
import { sqlConnect } from "../../source/sql-client.js";
import type { ServerFacts } from "../../source/start-verdict.js";
import { type CheckpointReport, checkCheckpoints, checkResults } from "./check-databases.js";
import { checkSource } from "./check-source.js";
import { checkStore } from "./check-store.js";
import { type Finding, failure, ok } from "./finding.js";
import { judgeNode, judgeTls } from "./judge-machine.js";
import { judgeBeginning } from "./judge-start.js";

/**
 * What is wrong with a pipeline's surroundings, what it costs, and what mends it. Reads only: no
 * server is changed. A database that does not answer is one failing finding, in place of all that
 * would have been asked there.
 */
export async function checkPipeline(
  definition: PipelineDefinition,
  settings: Settings,
): Promise<Finding[]> {
  const { source, resultsUrl, checkpoint, run } = settings;
  const { name } = definition;
  const asked = new Map<string, boolean>();
  const ask = <R extends Report>(
    role: PostgresRole,
    url: string,
    look: (session: SqlSession) => Promise<R>,
  ): Promise<Answer<R>> => askDatabase({ role, url, asked, look });
  const seen = await ask("source", source.url, (session) =>
    checkSource(session, definition, settings),
  );
  const saved =
    checkpoint.kind === "postgres"
      ? await ask("checkpoint", checkpoint.url, (session) =>
          checkCheckpoints(session, name, run.maxStateBytes),
        )
      : await checkStore(checkpoint, name, run.maxStateBytes);
  const written = await ask("results", resultsUrl, (session) =>
    checkResults(session, name, seen.report?.shapes ?? []),
  );
  const beginning: Finding[] = [];
  const header = saved.report?.header;
  if (seen.report !== null) {
    const identity = await identify(source.url, saved.report);
    beginning.push(identity.finding);
    if (header !== undefined) {
      const progress = written.report === null ? undefined : written.report.progress;
      const { slotName, plugin } = source;
      const { slot } = seen.report;
      const { server } = identity;
      const copied = copiedTables(definition.plan);
      const facts = { slotName, slot, plugin, header, progress, server };
      beginning.push(judgeBeginning({ ...facts, copiedTables: copied }));
    }
  }
  return [
    judgeNode(process.versions.node),
    ...seen.findings,
    ...saved.findings,
    ...written.findings,
    ...beginning,
    connections(settings),
  ];
}

interface Report {
  readonly findings: readonly Finding[];
}

interface Answer<R extends Report> {
  readonly findings: readonly Finding[];
  readonly report: R | null;
}

interface Question<R extends Report> {
  readonly role: PostgresRole;
  readonly url: string;
  /** Whether a URL asked before has answered. */
  readonly asked: Map<string, boolean>;
  look(session: SqlSession): Promise<R>;
}

/** What one database says, or only that it does not answer, which is said once for each URL. */
async function askDatabase<R extends Report>(question: Question<R>): Promise<Answer<R>> {
  const { role, url, asked, look } = question;
  if (asked.get(url) === false) return { findings: [], report: null };
  let session: SqlSession;
  try {
    session = await sqlConnect({ url, role, applicationName: "tidemark check" })();
  } catch (error) {
    asked.set(url, false);
    return { findings: [failure(role, error)], report: null };
  }
  try {
    const [row] = await session.query(
      `select current_user as role, current_database() as database,
              (select ssl from pg_stat_ssl where pid = pg_backend_pid()) as ssl`,
    );
    const login = ok(role, `Logged in to ${row?.["database"]} as ${row?.["role"]}`);
    const tls = asked.has(url) ? [] : [judgeTls(role, url, row?.["ssl"] === true)];
    asked.set(url, true);
    const report = await look(session);
    return { findings: [login, ...tls, ...report.findings], report };
  } catch (error) {
    return { findings: [failure(role, error)], report: null };
  } finally {
    await session.end();
  }
}

/** A plain login works; a replication connection is asked for separately. */
async function identify(
  url: string,
  saved: CheckpointReport | null,
): Promise<{ finding: Finding; server: ServerFacts | null }> {
  try {
    const server = await identifyServer(url, saved?.header?.position ?? null);
    const finding = ok("replication", `System ${server.systemId}, timeline ${server.timeline}`);
    return { finding, server };
  } catch (error) {
    return { finding: failure("replication", error), server: null };
  }
}

function connections({ source, resultsUrl, checkpoint }: Settings): Finding {
  const urls = [resultsUrl, ...(checkpoint.kind === "postgres" ? [checkpoint.url] : [])];
  const sessions = (url: string): number => urls.filter((u) => u === url).length;
  const elsewhere = urls.length - sessions(source.url);
  const here = sessions(source.url) === 0 ? "" : ` and ${sessions(source.url)} for what is written`;
  const there = elsewhere === 0 ? "" : `; ${elsewhere} on other databases`;
  return ok("connections", `A running pipeline uses 1 walsender, 1 short session${here}${there}`, {
    cost: "On the source the walsender reads and decodes all WAL, that of other tables too",
  });
}
