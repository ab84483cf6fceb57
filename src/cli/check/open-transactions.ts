import { quoteLiteral, type SqlSession } from "../../core/sql.js";
import { formatSeconds } from "../render.js";
import { type Finding, ok, warn } from "./finding.js";

/** A transaction that has written, and so delays slot creation and holds WAL. */
export interface OpenTransaction {
  /** What ends it. */
  readonly end: string;
  readonly who: string;
  /** Null when this role may not see it. */
  readonly ageS: number | null;
}

/** Creating a slot gives up after waiting this long. */
const LONG_S = 60;

// Decoding waits for every transaction of the cluster that has an XID. Prepared ones count too and
// survive restarts. xact_start of other roles' sessions needs pg_read_all_stats.
const OLDEST = `
  select 'session' as kind, pid::text as id, application_name as application, usename as role,
         extract(epoch from clock_timestamp() - xact_start)::float8 as age
  from pg_stat_activity where backend_xid is not null and pid <> pg_backend_pid()
  union all
  select 'prepared', gid, null, owner, extract(epoch from clock_timestamp() - prepared)::float8
  from pg_prepared_xacts
  order by age desc nulls last limit 1`;

/** The oldest transaction that has written, or null. */
export async function readOldestTransaction(session: SqlSession): Promise<OpenTransaction | null> {
  const [row] = await session.query(OLDEST);
  if (row === undefined) return null;
  const id = String(row["id"]);
  const age = row["age"];
  const isPrepared = row["kind"] === "prepared";
  return {
    end: isPrepared
      ? `ROLLBACK PREPARED ${quoteLiteral(id)};`
      : `SELECT pg_terminate_backend(${id});`,
    who: isPrepared
      ? `prepared transaction ${id} of ${row["role"]}`
      : `PID ${id}, application "${row["application"]}", role ${row["role"]}`,
    ageS: typeof age === "number" ? age : null,
  };
}

export function judgeTransactions(oldest: OpenTransaction | null): Finding {
  const name = "open transactions";
  if (oldest === null) return ok(name, "No transaction that has written is open");
  const { end, who, ageS } = oldest;
  if (ageS === null)
    return ok(name, `One has written and is open, of an age hidden from us: ${who}`);
  const summary = `The oldest that has written is open for ${formatSeconds(ageS)}: ${who}`;
  if (ageS < LONG_S) return ok(name, summary);
  return warn(name, summary, {
    cost: "Until it ends no slot can be created, and an existing one holds back WAL from its start",
    fix: end,
  });
}
