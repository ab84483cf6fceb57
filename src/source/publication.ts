import { TidemarkError } from "../core/errors.js";
import {
  joinTableName,
  quoteIdent,
  quoteTable,
  type SqlSession,
  splitTableName,
} from "../core/sql.js";

/** What a new publication publishes. */
export type PublishedKinds = "all" | "inserts";

/**
 * The statement that creates the publication for these tables. Rows of partitions are published
 * under the name of the table that was asked for.
 */
export function createPublicationSql(
  publication: string,
  tables: readonly string[],
  kinds: PublishedKinds = "all",
): string {
  const list = tables.map(quoteTable);
  const publish = kinds === "all" ? "" : "publish = 'insert, truncate', ";
  return (
    `CREATE PUBLICATION ${quoteIdent(publication)} FOR TABLE ${list.join(", ")} ` +
    `WITH (${publish}publish_via_partition_root = true)`
  );
}

/**
 * What may be published without harm: of a table without a replica identity PostgreSQL refuses
 * every UPDATE and DELETE as soon as a publication sends them (FM45), so then only inserts are.
 */
async function harmlessKinds(
  session: SqlSession,
  tables: readonly string[],
): Promise<PublishedKinds> {
  const [row] = await session.query(
    `select count(*)::int as without
     from pg_class c
     where c.oid = any (select to_regclass(t) from unnest($1::text[]) t)
       and (c.relreplident = 'n' or c.relreplident = 'd' and not exists (
         select from pg_index i where i.indrelid = c.oid and i.indisprimary))`,
    [tables.map(quoteTable)],
  );
  return Number(row?.["without"]) > 0 ? "inserts" : "all";
}

/** Tables of `tables` (as `schema.name`) that the publication does not publish; null: no such. */
export async function missingFromPublication(
  session: SqlSession,
  publication: string,
  tables: readonly string[],
): Promise<string[] | null> {
  const found = await session.query("select 1 from pg_publication where pubname = $1", [
    publication,
  ]);
  if (found.length === 0) return null;
  const published = await session.query(
    "select schemaname as schema, tablename as name from pg_publication_tables where pubname = $1",
    [publication],
  );
  const names = new Set(
    published.map((row) => joinTableName(String(row["schema"]), String(row["name"]))),
  );
  return tables.filter((table) => {
    const { schema, name } = splitTableName(table);
    return !names.has(joinTableName(schema, name));
  });
}

/** What has to arrive. */
export interface PublicationNeed {
  readonly publication: string;
  readonly tables: readonly string[];
  /** "all": updates, deletes and truncates too. */
  readonly kinds: PublishedKinds;
}

/** A publication as the pipeline needs it. */
export interface PublicationWish extends PublicationNeed {
  readonly mayCreate: boolean;
}

/** Why not everything would arrive through this publication; null when it would. */
export async function publicationProblem(
  session: SqlSession,
  { publication, tables, kinds }: PublicationNeed,
): Promise<TidemarkError | null> {
  const missing = await missingFromPublication(session, publication, tables);
  if (missing === null) return publicationMissing(publication, tables);
  const [first] = missing;
  if (first !== undefined) return tableNotPublished(publication, first);
  const [row] = await session.query(
    `select pubinsert and ($2 or pubupdate and pubdelete and pubtruncate) as is_whole
     from pg_publication where pubname = $1`,
    [publication, kinds === "inserts"],
  );
  return row?.["is_whole"] === true ? null : kindsNotPublished(publication, kinds);
}

/**
 * Sees to it that the publication exists and has the tables. A missing one is created if
 * `mayCreate`; one that lacks a table is never altered, because others may read it.
 */
export async function ensurePublication(
  session: SqlSession,
  wanted: PublicationWish,
): Promise<void> {
  const { publication, tables, mayCreate } = wanted;
  const problem = await publicationProblem(session, wanted);
  if (problem === null) return;
  if (problem.code !== "PUBLICATION_MISSING" || !mayCreate) throw problem;
  const kinds = await harmlessKinds(session, tables);
  await session.query(createPublicationSql(publication, tables, kinds));
}

/** PUBLICATION_MISSING with the statement that creates it. */
export function publicationMissing(publication: string, tables: readonly string[]): TidemarkError {
  const fix = `${createPublicationSql(publication, tables)};`;
  return new TidemarkError(
    "PUBLICATION_MISSING",
    `Publication ${publication} does not exist. A slot that is older than the publication skips ` +
      "what was changed before: where that matters, start from nothing with --reset. " +
      `Run: ${fix}`,
    { detail: { publication, fix } },
  );
}

/** PUBLICATION_INCOMPLETE with the statement that has all of `kinds` sent. */
export function kindsNotPublished(publication: string, kinds: PublishedKinds): TidemarkError {
  const list = kinds === "all" ? "insert, update, delete, truncate" : "insert";
  const fix = `ALTER PUBLICATION ${quoteIdent(publication)} SET (publish = '${list}');`;
  return new TidemarkError(
    "PUBLICATION_INCOMPLETE",
    `Publication ${publication} does not send all of ${list}, which the pipeline needs, so that ` +
      `its results would be wrong in silence. Changes that were not sent are not made up for: ` +
      `start from nothing with --reset after you ran: ${fix}`,
    { detail: { publication, fix } },
  );
}

/** SOURCE_TABLE_MISSING with the statement that adds the table. */
export function tableNotPublished(publication: string, table: string): TidemarkError {
  const { schema, name } = splitTableName(table);
  const fix = `ALTER PUBLICATION ${quoteIdent(publication)} ADD TABLE ${quoteTable(table)};`;
  return new TidemarkError(
    "SOURCE_TABLE_MISSING",
    `Publication ${publication} does not publish ${schema}.${name}, so its changes would never ` +
      `arrive. Run: ${fix}`,
    { detail: { publication, table: `${schema}.${name}`, fix } },
  );
}
