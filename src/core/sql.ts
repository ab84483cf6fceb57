/** One result row; cells are what the driver makes of them (text for int8, numeric, pg_lsn). */
export type SqlRow = Readonly<Record<string, unknown>>;

/**
 * A PostgreSQL session that is handed to whoever needs one. Queries run one after another, in the
 * order of the calls; those made without waiting for each other travel together.
 * Failures are TidemarkErrors whose code depends on what the session is for.
 */
export interface SqlSession {
  /** With a `name` the server parses and plans the statement once a session. */
  query(text: string, values?: readonly unknown[], name?: string): Promise<readonly SqlRow[]>;
  /** Ends the session; never rejects. */
  end(): Promise<void>;
}

/** Opens a session. */
export type SqlConnect = () => Promise<SqlSession>;

/** Quotes an identifier, as PostgreSQL's quote_ident does but always with quotes. */
export function quoteIdent(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/** Quotes a string literal, for the few commands that take no parameters. */
export function quoteLiteral(value: string): string {
  const quoted = `'${value.replaceAll("'", "''")}'`;
  return value.includes("\\") ? `E${quoted.replaceAll("\\", "\\\\")}` : quoted;
}

/**
 * Splits `schema.table` at the first dot outside double quotes; without a dot the schema is
 * `public`. Names are taken as they are, not folded to lower case.
 */
export function splitTableName(qualified: string): { schema: string; name: string } {
  const match = /^(?:("(?:[^"]|"")+"|[^."]+)\.)?("(?:[^"]|"")+"|[^"]+)$/.exec(qualified);
  if (match === null) return { schema: "public", name: qualified };
  const [, schema = "public", name = ""] = match;
  const unquote = (part: string): string =>
    part.startsWith('"') ? part.slice(1, -1).replaceAll('""', '"') : part;
  return { schema: unquote(schema), name: unquote(name) };
}

/**
 * The one way a table is named inside: `schema.table`, with quotes round a part only where a dot or
 * a quote in it would be misread. The inverse of {@link splitTableName}.
 */
export function joinTableName(schema: string, name: string): string {
  const part = (text: string): string => (/[."]/.test(text) ? quoteIdent(text) : text);
  return `${part(schema)}.${part(name)}`;
}

/** A table's name for SQL, `"schema"."table"`, from `schema.table`. */
export function quoteTable(qualified: string): string {
  const { schema, name } = splitTableName(qualified);
  return `${quoteIdent(schema)}.${quoteIdent(name)}`;
}

/**
 * Runs `use` in a transaction; a failure rolls back and is thrown on. `begin` travels with the
 * first statement of `use`. `meanwhile` runs while the commit is under way (for failpoints).
 */
export async function inTransaction<T>(
  session: SqlSession,
  use: () => Promise<T>,
  meanwhile: () => Promise<void> = async () => {},
): Promise<T> {
  const begun = session.query("begin");
  return inOpenTransaction(session, async () => (await Promise.all([use(), begun]))[0], meanwhile);
}

/** Goes on in a transaction that is open, and ends it: as {@link inTransaction}. */
export async function inOpenTransaction<T>(
  session: SqlSession,
  use: () => Promise<T>,
  meanwhile: () => Promise<void> = async () => {},
): Promise<T> {
  try {
    const result = await use();
    await Promise.all([session.query("commit"), meanwhile()]);
    return result;
  } catch (error) {
    // A session that cannot even roll back is lost, and its transaction with it.
    await session.query("rollback").catch(() => {});
    throw error;
  }
}

/** Whether there is such a table, given as `schema.name`. */
export async function tableExists(session: SqlSession, table: string): Promise<boolean> {
  const [found] = await session.query("select to_regclass($1) is not null as there", [
    quoteTable(table),
  ]);
  return found?.["there"] === true;
}

/**
 * Runs `statements` unless `table` is there, in the schema `tidemark`, which is made if need be.
 * Asked first, because `create … if not exists` wants the privilege even with nothing to create.
 */
export async function ensureOwnTable(
  session: SqlSession,
  table: string,
  statements: readonly string[],
): Promise<void> {
  const [found] = await session.query(
    `select to_regnamespace('tidemark') is not null as schema,
            to_regclass($1) is not null as there`,
    [`tidemark.${table}`],
  );
  if (found?.["there"] === true) return;
  await inTransaction(session, async () => {
    await session.query("select pg_advisory_xact_lock(hashtext('tidemark ddl'))");
    if (found?.["schema"] !== true) await session.query("create schema if not exists tidemark");
    for (const statement of statements) await session.query(statement);
  });
}
