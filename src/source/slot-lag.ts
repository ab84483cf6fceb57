import { type Lsn, parseLsn } from "../core/lsn.js";
import type { SqlSession } from "../core/sql.js";

/** How far a slot is behind its server. */
export interface SlotLag {
  /** Where the server's log ends. */
  readonly walLsn: Lsn;
  readonly confirmedLsn: Lsn;
}

/** Reads it, or null when there is no such slot, or none that keeps anything. */
export async function readSlotLag(session: SqlSession, slotName: string): Promise<SlotLag | null> {
  const [row] = await session.query(
    `select confirmed_flush_lsn::text as confirmed,
            case when pg_is_in_recovery() then pg_last_wal_replay_lsn()
                 else pg_current_wal_flush_lsn() end::text as wal
     from pg_replication_slots where slot_name = $1 and restart_lsn is not null`,
    [slotName],
  );
  const { confirmed, wal } = row ?? {};
  if (typeof confirmed !== "string" || typeof wal !== "string") return null;
  return { walLsn: parseLsn(wal), confirmedLsn: parseLsn(confirmed) };
}
