import type { Lsn } from "../core/lsn.js";
import { parseLsn } from "../core/lsn.js";
import type { SqlSession } from "../core/sql.js";

/** A row of pg_replication_slots, as far as it decides anything. */
export interface SlotFacts {
  readonly plugin: string;
  readonly database: string;
  /** `pg_current_database()` of the session that asked. */
  readonly currentDatabase: string;
  /** Backend that reads the slot, or null. */
  readonly activePid: number | null;
  /** Null when the slot reserves no WAL any more. */
  readonly restartLsn: Lsn | null;
  readonly confirmedFlushLsn: Lsn | null;
  /** reserved, extended, unreserved, lost. */
  readonly walStatus: string | null;
  /** PostgreSQL 17 and later: why the slot was invalidated. */
  readonly invalidationReason: string | null;
}

/** Reads the slot, or null when there is none of that name. */
export async function readSlot(session: SqlSession, slotName: string): Promise<SlotFacts | null> {
  // to_jsonb reads columns by name, so that one statement serves all server versions.
  const [row] = await session.query(
    `select to_jsonb(s) as slot, current_database() as current
     from pg_replication_slots s where slot_name = $1`,
    [slotName],
  );
  if (row === undefined) return null;
  const slot = row["slot"] as Record<string, string | number | boolean | null>;
  const lsn = (value: unknown): Lsn | null => (typeof value === "string" ? parseLsn(value) : null);
  const text = (value: unknown): string | null => (typeof value === "string" ? value : null);
  return {
    plugin: String(slot["plugin"]),
    database: String(slot["database"]),
    currentDatabase: String(row["current"]),
    activePid: typeof slot["active_pid"] === "number" ? slot["active_pid"] : null,
    restartLsn: lsn(slot["restart_lsn"]),
    confirmedFlushLsn: lsn(slot["confirmed_flush_lsn"]),
    walStatus: text(slot["wal_status"]),
    invalidationReason: text(slot["invalidation_reason"]),
  };
}

/**
 * Creates the slot and returns its consistent point. `lock_timeout` bounds the wait for
 * transactions that are open now (statement_timeout does not apply to it). When it rejects, the
 * server has removed the half-made slot already.
 */
export async function createSlot(
  session: SqlSession,
  { slotName, plugin }: { readonly slotName: string; readonly plugin: string },
  lockTimeoutMs: number,
): Promise<Lsn> {
  await session.query(`set lock_timeout = ${Math.floor(lockTimeoutMs)}`);
  const created = await session
    .query("select lsn::text as lsn from pg_create_logical_replication_slot($1, $2)", [
      slotName,
      plugin,
    ])
    .then(
      ([row]) => ({ lsn: parseLsn(String(row?.["lsn"])) }),
      (error: unknown) => ({ error }),
    );
  // A server reports an error before it cleans up after it; the next statement comes after both.
  const reset = session.query("reset lock_timeout");
  if ("lsn" in created) {
    await reset;
    return created.lsn;
  }
  await Promise.allSettled([reset]); // fails only on a lost connection, which is the error below
  throw created.error;
}

/** Drops the slot; a missing one is fine. */
export async function dropSlot(session: SqlSession, slotName: string): Promise<void> {
  await session.query(
    `select pg_drop_replication_slot(slot_name) from pg_replication_slots
     where slot_name = $1`,
    [slotName],
  );
}
