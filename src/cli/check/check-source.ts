import { type Lsn, parseLsn } from "../../core/lsn.js";
import type { OutputShape } from "../../core/output.js";
import type { SqlSession } from "../../core/sql.js";
import type { PipelineDefinition } from "../../pipeline/builder.js";
import { grammarFor } from "../../pipeline/conditions.js";
import { copiedTables, kindsOf, type Plan, tablesOf } from "../../pipeline/plan.js";
import type { Settings } from "../../pipeline/settings.js";
import { readServerSettings } from "../../source/server-facts.js";
import { readSlot, type SlotFacts } from "../../source/slot.js";
import { slotActive } from "../../source/slot-source.js";
import { requireWal2jsonTables } from "../../source/wal2json-tables.js";
import { collect, type Finding, failure, ok } from "./finding.js";
import { judgeClocks } from "./judge-machine.js";
import { judgeServerSettings } from "./judge-server.js";
import { judgeSlotWal } from "./judge-start.js";
import { judgeTransactions, readOldestTransaction } from "./open-transactions.js";
import { checkPublication } from "./publication.js";
import { checkOutputs, readSourceTables } from "./source-table.js";

/** What the source says; the rest of the check needs it. */
export interface SourceReport {
  readonly findings: readonly Finding[];
  readonly slot: SlotFacts | null;
  /** What the outputs that compile look like. */
  readonly shapes: readonly OutputShape[];
}

/** Looks at the source through a plain session. */
export async function checkSource(
  session: SqlSession,
  definition: PipelineDefinition,
  settings: Settings,
): Promise<SourceReport> {
  const { plan } = definition;
  const { publication, slotName, mayCreatePublication, plugin } = settings.source;
  const server = await readServerSettings(session);
  // Before the checkpoint, which a running pipeline moves first: so the slot never looks ahead.
  const slot = await readSlot(session, slotName);
  const grammar = await grammarFor(plan);
  const { tables, findings } = await readSourceTables(session, plan, grammar);
  const outputs = checkOutputs(plan, tables, grammar);
  const { canCreateInDatabase } = server;
  // As a start does: beside an older slot, a publication is never created.
  const mayCreate = mayCreatePublication && slot === null;
  return {
    slot,
    shapes: outputs.shapes,
    findings: [
      ...judgeServerSettings(server, slot === null),
      ...(await collect("clock", async () => [await checkClocks(session)])),
      ...(await collect("slot", () => checkSlot(session, slotName, slot))),
      ...(await collect("open transactions", async () => [
        judgeTransactions(await readOldestTransaction(session)),
      ])),
      ...(plugin === "wal2json"
        ? await collect("wal2json", () => checkWal2json(session, plan))
        : await collect("publication", () =>
            checkPublication(session, {
              ...{ publication, tables, kinds: kindsOf(plan) },
              ...{ mayCreate, canCreateInDatabase },
            }),
          )),
      ...findings,
      ...outputs.findings,
    ],
  };
}

async function checkWal2json(session: SqlSession, plan: Plan): Promise<Finding[]> {
  await requireWal2jsonTables(session, {
    tables: tablesOf(plan),
    copiedTables: copiedTables(plan),
  });
  return [ok("wal2json", "Its tables can be followed without a publication")];
}

async function checkClocks(session: SqlSession): Promise<Finding> {
  const beforeMs = Date.now();
  const [row] = await session.query(
    "select extract(epoch from clock_timestamp())::float8 * 1000 as ms",
  );
  return judgeClocks({ beforeMs, serverMs: Number(row?.["ms"]), afterMs: Date.now() });
}

async function checkSlot(
  session: SqlSession,
  slotName: string,
  slot: SlotFacts | null,
): Promise<Finding[]> {
  if (slot === null) return [ok("slot", `Slot ${slotName} does not exist`)];
  const { walEnd, safeBytes } = await readWal(session, slotName);
  return [
    await checkReader(session, slotName, slot.activePid),
    ...judgeSlotWal({ slot, walEnd, safeBytes }),
  ];
}

async function checkReader(
  session: SqlSession,
  slotName: string,
  pid: number | null,
): Promise<Finding> {
  if (pid === null) return ok("slot", `Slot ${slotName} exists, and nobody reads it now`);
  const active = await slotActive(session, slotName, pid);
  if (active.detail["application"] === `tidemark ${slotName}`) {
    return ok("slot", `Slot ${slotName} is read by a running pipeline (PID ${pid})`);
  }
  return failure("slot", active, { fix: `SELECT pg_terminate_backend(${pid});` });
}

async function readWal(
  session: SqlSession,
  slotName: string,
): Promise<{ walEnd: Lsn; safeBytes: number | null }> {
  const [row] = await session.query(
    `select case when pg_is_in_recovery() then pg_last_wal_replay_lsn()
                 else pg_current_wal_flush_lsn() end::text as wal_end,
            (select safe_wal_size::float8 from pg_replication_slots where slot_name = $1) as safe`,
    [slotName],
  );
  const safe = row?.["safe"];
  return {
    walEnd: parseLsn(String(row?.["wal_end"])),
    safeBytes: typeof safe === "number" ? safe : null,
  };
}
