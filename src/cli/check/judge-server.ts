import type { ErrorCode } from "../../core/error-codes.js";
import { replicationObstacles, type ServerSettings } from "../../source/server-facts.js";
import { formatBytes, formatSeconds } from "../render.js";
import { type Finding, failure, ok, warn } from "./finding.js";

/** Below this a slot is lost within a short outage of a busy server. */
const LOW_KEEP_MB = 1024;
const DAY_S = 86_400;
const RELOAD = "SELECT pg_reload_conf();";

/** What the settings of the source mean for a pipeline. `needsSlot`: one will be created. */
export function judgeServerSettings(server: ServerSettings, needsSlot: boolean): Finding[] {
  const obstacles = new Map(replicationObstacles(server, needsSlot).map((e) => [e.code, e]));
  const unless = (code: ErrorCode, finding: Finding): Finding => {
    const obstacle = obstacles.get(code);
    return obstacle === undefined ? finding : failure(finding.name, obstacle);
  };
  const { slotsUsed, slotsMax } = server;
  const role =
    `${server.user} may replicate. Reading tables through a slot takes no SELECT on them, ` +
    "and reaches every table that is published";
  return [
    unless("SOURCE_TOO_OLD", ok("version", `PostgreSQL ${server.version}`)),
    unless("SOURCE_WAL_LEVEL", ok("wal_level", server.walLevel)),
    unless("SOURCE_PRIVILEGE", ok("role", role)),
    unless("SLOT_LIMIT", ok("replication slots", `${slotsUsed} of ${slotsMax} are taken`)),
    walSenders(server),
    keepSize(server),
    ...idleTimeout(server),
  ];
}

function walSenders({ walSendersUsed: used, walSendersMax: max }: ServerSettings): Finding {
  const name = "walsenders";
  if (used < max) return ok(name, `${used} of ${max} are taken`);
  return {
    name,
    verdict: "fail",
    summary: `All ${max} walsenders are taken; it takes more, and a restart of the server`,
    fix: `ALTER SYSTEM SET max_wal_senders = ${max + 5};`,
  };
}

function keepSize({ maxSlotWalKeepMb: mb }: ServerSettings): Finding {
  const name = "max_slot_wal_keep_size";
  const fix = `ALTER SYSTEM SET ${name} = '10GB'; ${RELOAD}`;
  if (mb < 0) {
    return warn(name, "There is no limit to the WAL that a slot holds back", {
      cost:
        "While the pipeline does not run, the source keeps all its WAL; when its disk is full, " +
        "it stops. With a limit the slot is lost instead",
      fix,
    });
  }
  const size = formatBytes(mb * 2 ** 20);
  if (mb >= LOW_KEEP_MB) return ok(name, `A slot holds back up to ${size} of WAL`);
  return warn(name, `A slot that falls ${size} of WAL behind is lost`, {
    cost: "After an outage in which more is written, the pipeline has to start from nothing",
    fix,
  });
}

function idleTimeout({ idleSlotTimeoutS: seconds }: ServerSettings): Finding[] {
  const name = "idle_replication_slot_timeout";
  if (seconds === null) return [];
  if (seconds === 0) return [ok(name, "off")];
  const summary = `A slot that nobody reads for ${formatSeconds(seconds)} is lost`;
  if (seconds >= DAY_S) return [ok(name, summary)];
  return [
    warn(name, summary, {
      cost: "After a longer outage the pipeline has to start from nothing",
      fix: `ALTER SYSTEM SET ${name} = '7d'; ${RELOAD}`,
    }),
  ];
}
