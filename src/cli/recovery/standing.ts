import { PostgresSink } from "../../../sinks/postgres/postgres-sink.js";
import type { CheckpointHeader, CheckpointStore } from "../../core/checkpoint-store.js";
import { formatLsn, type Lsn, parseLsn } from "../../core/lsn.js";
import type { SinkProgress } from "../../core/sink.js";
import type { SqlSession } from "../../core/sql.js";
import { checkpointStore, type PipelineDefinition } from "../../index.js";
import { resolveSettings, type Settings } from "../../pipeline/settings.js";
import { readSlot, type SlotFacts } from "../../source/slot.js";
import { slotActive } from "../../source/slot-source.js";
import { sqlConnect } from "../../source/sql-client.js";
import { environment } from "../environment.js";

/** Everything that decides from where a pipeline may go on, opened and read. */
export interface Standing {
  readonly settings: Settings;
  readonly source: SqlSession;
  readonly store: CheckpointStore;
  readonly sink: PostgresSink;
  readonly slot: SlotFacts | null;
  readonly walEnd: Lsn;
  readonly header: CheckpointHeader | null;
  readonly progress: SinkProgress | null;
}

/** Opens source, store and sink of a pipeline for `use`, and closes them after it. */
export async function withStanding<T>(
  definition: PipelineDefinition,
  use: (standing: Standing) => Promise<T>,
): Promise<T> {
  const settings = resolveSettings(definition, environment);
  const applicationName = `tidemark ${definition.name} recovery`;
  const source = await sqlConnect({ url: settings.source.url, role: "source", applicationName })();
  const store = checkpointStore(settings);
  const sink = new PostgresSink(
    sqlConnect({ url: settings.resultsUrl, role: "results", applicationName }),
    definition.name,
  );
  try {
    const slot = await readSlot(source, settings.source.slotName);
    const [wal] = await source.query("select pg_current_wal_flush_lsn()::text as lsn");
    const header = await store.open();
    const progress = await sink.open();
    const walEnd = parseLsn(String(wal?.["lsn"]));
    return await use({ settings, source, store, sink, slot, walEnd, header, progress });
  } finally {
    await Promise.all([source.end(), store.close(), sink.close()]);
  }
}

/** Positions by name, for an outcome. */
export function positionFacts({
  settings,
  slot,
  header,
  progress,
}: Standing): Record<string, string | number | boolean | null> {
  const text = (lsn: Lsn | null | undefined): string | null =>
    lsn === null || lsn === undefined ? null : formatLsn(lsn);
  return {
    slot: settings.source.slotName,
    slotPosition: text(slot?.confirmedFlushLsn),
    checkpoint: text(header?.position?.lsn),
    results: text(progress?.position.lsn),
    epoch: Math.max(header?.epoch ?? 0, progress?.epoch ?? 0),
  };
}

/** Throws SLOT_ACTIVE while somebody reads the slot. */
export async function refuseWhileRead({ source, settings, slot }: Standing): Promise<void> {
  const pid = slot?.activePid ?? null;
  if (pid !== null) throw await slotActive(source, settings.source.slotName, pid);
}
