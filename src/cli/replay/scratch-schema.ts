import { randomBytes } from "node:crypto";
import { PostgresSink } from "../../../sinks/postgres/postgres-sink.js";
import { joinTableName, quoteIdent, type SqlConnect, type SqlSession } from "../../core/sql.js";

/** A schema in which a replay works, for as long as it is held. */
export interface ScratchSchema {
  readonly name: string;
  /** Drops it with what Tidemark made in it. */
  drop(): Promise<void>;
}

const NAMES = "^tidemark_replay_[0-9a-f]+$";
const LOCK = "hashtextextended($1, 0)";

/** Under this name the position of a replay into a schema is kept. */
export function sinkName(schema: string): string {
  return `replay into ${schema}`;
}

/**
 * Makes a schema for this replay alone. A lock of the server's says that somebody works in it: it
 * goes with the connection, also where the process is killed.
 */
export async function holdScratchSchema(connect: SqlConnect): Promise<ScratchSchema> {
  const name = `tidemark_replay_${randomBytes(6).toString("hex")}`;
  const holder = await connect();
  try {
    await holder.query(`select pg_advisory_lock(${LOCK})`, [name]);
    await holder.query(`create schema ${quoteIdent(name)}`);
  } catch (error) {
    await holder.end();
    throw error;
  }
  return {
    name,
    async drop() {
      try {
        await dropScratch(connect, holder, name);
      } finally {
        await holder.end();
      }
    },
  };
}

/**
 * Drops the schemas of replays that were killed, and returns their names. What Tidemark did not
 * make in them is left alone, and the schema with it: VIEW_MISMATCH or SINK_REFUSED says so.
 */
export async function dropLeftovers(connect: SqlConnect): Promise<string[]> {
  const session = await connect();
  try {
    const found = await session.query(
      "select nspname as name from pg_namespace where nspname ~ $1 order by 1",
      [NAMES],
    );
    const dropped: string[] = [];
    for (const { name } of found as { name: string }[]) {
      const [lock] = await session.query(`select pg_try_advisory_lock(${LOCK}) as taken`, [name]);
      if (lock?.["taken"] !== true) continue; // a replay is at work in it
      await dropScratch(connect, session, name);
      dropped.push(name);
    }
    return dropped;
  } finally {
    await session.end();
  }
}

async function dropScratch(
  connect: SqlConnect,
  session: SqlSession,
  schema: string,
): Promise<void> {
  const tables = await session.query(
    `select c.relname as name from pg_class c
     where c.relnamespace = to_regnamespace($1) and c.relkind in ('r', 'p')`,
    [quoteIdent(schema)],
  );
  const names = (tables as { name: string }[]).map(({ name }) => joinTableName(schema, name));
  await forgetReplay(connect, names, schema);
  // Whoever worked in it may have dropped it between our look and the lock.
  await session.query(`drop schema if exists ${quoteIdent(schema)}`);
}

/** Drops tables and position of a replay. */
export async function forgetReplay(
  connect: SqlConnect,
  tables: readonly string[],
  schema: string,
): Promise<void> {
  const sink = new PostgresSink(connect, sinkName(schema));
  try {
    await sink.open();
    await sink.reset(tables);
  } finally {
    await sink.close();
  }
}
