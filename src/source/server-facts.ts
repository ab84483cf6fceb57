import { TidemarkError } from "../core/errors.js";
import { quoteIdent, type SqlSession } from "../core/sql.js";

/** The oldest source server whose pgoutput is supported. */
const MIN_SOURCE_VERSION = 140_000;

/** What a server says about itself, as far as replication goes. */
export interface ServerSettings {
  /** `server_version_num`, 180004 for 18.4. */
  readonly versionNum: number;
  readonly version: string;
  readonly walLevel: string;
  readonly user: string;
  readonly database: string;
  /** Whether the role may open replication connections. */
  readonly canReplicate: boolean;
  readonly canCreateInDatabase: boolean;
  readonly slotsUsed: number;
  readonly slotsMax: number;
  readonly walSendersUsed: number;
  readonly walSendersMax: number;
  /** Megabytes; -1 means without limit. */
  readonly maxSlotWalKeepMb: number;
  /** Seconds; 0 means off, null that the server does not know the setting. */
  readonly idleSlotTimeoutS: number | null;
}

/** Reads the settings of the server at the other end of the session. */
export async function readServerSettings(session: SqlSession): Promise<ServerSettings> {
  const [row] = await session.query(`
    select current_setting('server_version_num')::int as version_num,
           current_setting('server_version') as version,
           current_setting('wal_level') as wal_level,
           current_user as user, current_database() as database,
           (select rolreplication or rolsuper from pg_roles where rolname = current_user)
             as can_replicate,
           has_database_privilege(current_database(), 'CREATE') as can_create,
           (select count(*)::int from pg_replication_slots) as slots_used,
           current_setting('max_replication_slots')::int as slots_max,
           (select count(*)::int from pg_stat_replication) as senders_used,
           current_setting('max_wal_senders')::int as senders_max,
           (select setting::int from pg_settings where name = 'max_slot_wal_keep_size') as keep_mb,
           (select setting::int from pg_settings
            where name = 'idle_replication_slot_timeout') as idle_timeout`);
  const idle = row?.["idle_timeout"];
  return {
    versionNum: Number(row?.["version_num"]),
    version: String(row?.["version"]),
    walLevel: String(row?.["wal_level"]),
    user: String(row?.["user"]),
    database: String(row?.["database"]),
    canReplicate: row?.["can_replicate"] === true,
    canCreateInDatabase: row?.["can_create"] === true,
    slotsUsed: Number(row?.["slots_used"]),
    slotsMax: Number(row?.["slots_max"]),
    walSendersUsed: Number(row?.["senders_used"]),
    walSendersMax: Number(row?.["senders_max"]),
    maxSlotWalKeepMb: Number(row?.["keep_mb"]),
    idleSlotTimeoutS: typeof idle === "number" ? idle : null,
  };
}

/** Which cluster this is; null where the role may not ask. */
export async function readSystemId(session: SqlSession): Promise<string | null> {
  try {
    const [row] = await session.query(
      "select system_identifier::text as id from pg_control_system()",
    );
    return String(row?.["id"]);
  } catch {
    return null; // the replication connection tells it to everybody, only later
  }
}

/** Throws the first reason why this server cannot be tailed; `needsSlot`: one will be created. */
export function requireReplication(server: ServerSettings, needsSlot: boolean): void {
  const [first] = replicationObstacles(server, needsSlot);
  if (first !== undefined) throw first;
}

/** Every reason why this server cannot be tailed; `detail.fix` holds the mending statement. */
export function replicationObstacles(server: ServerSettings, needsSlot: boolean): TidemarkError[] {
  const obstacles: TidemarkError[] = [];
  if (server.versionNum < MIN_SOURCE_VERSION) {
    obstacles.push(
      new TidemarkError(
        "SOURCE_TOO_OLD",
        `The source runs PostgreSQL ${server.version}; Tidemark reads from version 14 on.`,
      ),
    );
  }
  if (server.walLevel !== "logical") {
    const fix = "ALTER SYSTEM SET wal_level = 'logical';";
    obstacles.push(
      new TidemarkError(
        "SOURCE_WAL_LEVEL",
        `The source runs with wal_level = ${server.walLevel}; it takes logical, and a restart of ` +
          `the server. Run: ${fix}`,
        { detail: { fix } },
      ),
    );
  }
  if (!server.canReplicate) {
    const fix = `ALTER ROLE ${quoteIdent(server.user)} REPLICATION;`;
    obstacles.push(
      new TidemarkError(
        "SOURCE_PRIVILEGE",
        `Role ${server.user} may not replicate (on managed servers, grant it the provider's ` +
          `replication role). Run: ${fix}`,
        { detail: { fix } },
      ),
    );
  }
  if (needsSlot && server.slotsUsed >= server.slotsMax) {
    obstacles.push(
      new TidemarkError(
        "SLOT_LIMIT",
        `All ${server.slotsMax} replication slots are taken. Raise max_replication_slots and ` +
          "restart, or drop one that nobody uses (SELECT * FROM pg_replication_slots).",
      ),
    );
  }
  return obstacles;
}
