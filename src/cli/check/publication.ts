import { joinTableName, quoteIdent, quoteTable, type SqlSession } from "../../core/sql.js";
import {
  createPublicationSql,
  kindsNotPublished,
  missingFromPublication,
  type PublishedKinds,
  publicationMissing,
  tableNotPublished,
} from "../../source/publication.js";
import { type Finding, fail, failure, ok, warn } from "./finding.js";
import type { SourceTable } from "./source-table.js";

/** What a publication is asked for. */
export interface PublicationRequest {
  readonly publication: string;
  readonly tables: readonly SourceTable[];
  /** Which changes have to arrive. */
  readonly kinds: PublishedKinds;
  readonly mayCreate: boolean;
  /** CREATE on the database. */
  readonly canCreateInDatabase: boolean;
}

/** A publication's options. */
interface PublicationFacts {
  readonly insert: boolean;
  /** Of update, delete and truncate, those it publishes. */
  readonly others: readonly string[];
  readonly isViaRoot: boolean;
}

/** Whether the publication sends what the pipeline reads. */
export async function checkPublication(
  session: SqlSession,
  request: PublicationRequest,
): Promise<Finding[]> {
  const { publication, tables, kinds } = request;
  const names = tables.map((table) => table.qualifiedName);
  const missing = await missingFromPublication(session, publication, names);
  const identity = (publishesChanges: boolean): Finding[] =>
    publishesChanges ? tables.flatMap((table) => judgeIdentity(table)) : [];
  // The first run publishes no updates of a table without identity, so nothing is at risk.
  if (missing === null) return [judgeCreation(request)];
  const facts = await readPublication(session, publication);
  return [
    judgeKinds({ publication, kinds }, facts),
    ...missing.map((name) => {
      const table = tables.find(({ qualifiedName }) => qualifiedName === name);
      const isRoot = table?.isPartitioned === true && !facts.isViaRoot;
      return isRoot ? judgeRoot(publication, name) : missingTable(publication, name);
    }),
    ...(await checkFilters(session, { publication, facts, tables })),
    ...identity(facts.others.some((kind) => kind === "update" || kind === "delete")),
  ];
}

async function readPublication(
  session: SqlSession,
  publication: string,
): Promise<PublicationFacts> {
  const [row] = await session.query(
    `select pubinsert, pubupdate, pubdelete, pubtruncate, pubviaroot
     from pg_publication where pubname = $1`,
    [publication],
  );
  return {
    insert: row?.["pubinsert"] === true,
    others: ["update", "delete", "truncate"].filter((kind) => row?.[`pub${kind}`] === true),
    isViaRoot: row?.["pubviaroot"] === true,
  };
}

/** The publication does not exist. */
function judgeCreation(request: PublicationRequest): Finding {
  const { publication, tables, mayCreate, canCreateInDatabase } = request;
  const names = tables.map((table) => table.qualifiedName);
  if (!mayCreate) return failure("publication", publicationMissing(publication, names));
  const kinds = tables.every((table) => table.hasIdentity) ? "all" : "inserts";
  const fix = `${createPublicationSql(publication, names, kinds)};`;
  const foreign = tables.find((table) => !table.isOwned);
  if (canCreateInDatabase && foreign === undefined) {
    const summary = `Publication ${publication} does not exist; the first run creates it`;
    return ok("publication", summary, { fix });
  }
  const why = canCreateInDatabase
    ? `takes the owner of ${foreign?.qualifiedName}`
    : "takes CREATE on the database";
  const summary = `Publication ${publication} does not exist, and creating it ${why}`;
  return fail("publication", `${summary}: have somebody run it who may`, { fix });
}

function judgeKinds(
  { publication, kinds }: Pick<PublicationRequest, "publication" | "kinds">,
  { insert, others }: PublicationFacts,
): Finding {
  if (kinds === "all" && (!insert || others.length < 3)) {
    return failure("publication", kindsNotPublished(publication, kinds));
  }
  const set = (kinds: readonly string[]): string =>
    `ALTER PUBLICATION ${quoteIdent(publication)} SET (publish = '${kinds.join(", ")}');`;
  if (!insert) {
    const summary = `Publication ${publication} does not publish inserts: no row would arrive`;
    return fail("publication", summary, { fix: set(["insert", ...others]) });
  }
  const summary = `Publication ${publication} publishes ${["insert", ...others].join(", ")}`;
  if (others.length === 0 || kinds === "all") return ok("publication", summary);
  return ok("publication", summary, {
    cost:
      "The tables are read as append-only: another change to one of them stops the pipeline " +
      `(APPEND_ONLY). To have such changes ignored: ${set(["insert"])}`,
  });
}

function missingTable(publication: string, table: string): Finding {
  return failure(`published ${table}`, tableNotPublished(publication, table));
}

/** A partitioned table whose rows come under the names of its partitions. */
function judgeRoot(publication: string, table: string): Finding {
  const summary = `Publication ${publication} sends the rows of ${table} as its partitions' rows`;
  const setting = "SET (publish_via_partition_root = true)";
  return fail(`published ${table}`, `${summary}, so that none would arrive under its own name`, {
    fix: `ALTER PUBLICATION ${quoteIdent(publication)} ${setting};`,
  });
}

/** Row filters, and column lists that leave out a column the pipeline is known to read. */
async function checkFilters(
  session: SqlSession,
  asked: {
    readonly publication: string;
    readonly facts: PublicationFacts;
    readonly tables: readonly SourceTable[];
  },
): Promise<Finding[]> {
  const { publication, facts, tables } = asked;
  // to_jsonb reads columns by name: both exist from PostgreSQL 15 on.
  const rows = await session.query(
    `select schemaname as schema, tablename as name, to_jsonb(p) ->> 'rowfilter' as filter,
            to_jsonb(p) -> 'attnames' as columns, to_jsonb(p) ? 'rowfilter' as can_filter
     from pg_publication_tables p where pubname = $1`,
    [publication],
  );
  return tables.flatMap((table) => {
    const row = rows.find(
      (published) =>
        joinTableName(String(published["schema"]), String(published["name"])) ===
        table.qualifiedName,
    );
    if (row === undefined) return [];
    const findings: Finding[] = [];
    if (typeof row["filter"] === "string") {
      const summary = `Publication ${publication} sends only rows where ${row["filter"]}`;
      findings.push(
        warn(`rows ${table.qualifiedName}`, summary, { cost: "Results do not count the others" }),
      );
    } else if (row["can_filter"] === true)
      findings.push(...proposeFilter(publication, facts, table));
    const sent = row["columns"] as readonly string[] | null;
    const unsent = (sent === null ? [] : table.columnsRead).filter(
      (column) => !sent?.includes(column) && table.columns.some((c) => c.name === column),
    );
    if (unsent.length > 0) {
      const summary = `Publication ${publication} leaves out columns that are read`;
      const fix = sendColumns(publication, table, unsent);
      findings.push(
        fail(`columns ${table.qualifiedName}`, `${summary}: ${unsent.join(", ")}`, { fix }),
      );
    }
    return findings;
  });
}

/**
 * Rows that the server could leave out (PostgreSQL 15). Not where updates or deletes are published:
 * PostgreSQL then refuses the application's own, unless the replica identity has every column of
 * the filter.
 */
function proposeFilter(
  publication: string,
  { others }: PublicationFacts,
  { qualifiedName, rowFilter }: SourceTable,
): Finding[] {
  if (rowFilter === null || others.includes("update") || others.includes("delete")) return [];
  const alter = `ALTER PUBLICATION ${quoteIdent(publication)}`;
  const table = quoteTable(qualifiedName);
  const summary = `Every row is sent; the pipeline wants those where ${rowFilter}`;
  const fix = `${alter} DROP TABLE ${table}; ${alter} ADD TABLE ${table} WHERE (${rowFilter});`;
  const cost = "The server could leave out the others, for everybody who reads this publication";
  return [ok(`row filter ${qualifiedName}`, summary, { cost, fix })];
}

function sendColumns(publication: string, table: SourceTable, unsent: readonly string[]): string {
  const alter = `ALTER PUBLICATION ${quoteIdent(publication)}`;
  const name = quoteTable(table.qualifiedName);
  // PostgreSQL 18 and later; before, generated columns are never sent.
  return unsent.some((column) => table.generatedColumns.includes(column))
    ? `${alter} SET (publish_generated_columns = stored);`
    : `${alter} DROP TABLE ${name}; ${alter} ADD TABLE ${name};`;
}

/** PostgreSQL refuses the application's own updates where it cannot say which row they meant. */
function judgeIdentity(table: SourceTable): Finding[] {
  if (table.hasIdentity) return [];
  return [
    warn(`replica identity ${table.qualifiedName}`, "The table has none: no primary key, for one", {
      cost:
        "While a publication sends its updates and deletes, PostgreSQL refuses them: the " +
        "application's statements fail",
      fix: `ALTER TABLE ${quoteTable(table.qualifiedName)} REPLICA IDENTITY FULL;`,
    }),
  ];
}
