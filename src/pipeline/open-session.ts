import type {
  CheckpointHeader,
  CheckpointStore,
  LoadedCheckpoint,
} from "../core/checkpoint-store.js";
import { TidemarkError } from "../core/errors.js";
import type { Lsn } from "../core/lsn.js";
import type { Sink, SinkProgress } from "../core/sink.js";
import type { ChangeStream, StreamHandlers, TableSnapshot } from "../core/source.js";
import { type CompiledPlan, compilePlan } from "./compile.js";
import { grammarFor } from "./conditions.js";
import { nextEpoch } from "./next-epoch.js";
import { isCopyPending, refuseOrphanedResults } from "./orphaned-results.js";
import { copiedTables, tablesOf } from "./plan.js";
import { refuseRebuild } from "./refuse-rebuild.js";
import type { RuntimeParts } from "./runtime.js";

/** What opening is done with. */
export interface SessionEnds {
  readonly sink: Sink;
  readonly store: CheckpointStore;
  readonly handlers: StreamHandlers;
  /** The last epoch that this process tried to claim, 0 for none. */
  readonly ownEpoch: number;
  /** Takes over the stream, which has to be closed whatever happens after. */
  readonly onStream: (stream: ChangeStream) => void;
  /** Told what is going to be claimed. */
  readonly onEpoch: (epoch: number) => void;
}

/** Both ends of a session, open and claimed for one epoch. */
export interface OpenedSession {
  readonly compiled: CompiledPlan;
  /** Paused. */
  readonly stream: ChangeStream;
  readonly epoch: number;
  readonly checkpoint: LoadedCheckpoint;
  readonly progress: SinkProgress;
  /** Names of outputs whose tables are empty. */
  readonly created: readonly string[];
  /** What the state begins with; null where a checkpoint is loaded. */
  readonly snapshot: TableSnapshot | null;
}

/** Connects to source, results and checkpoints, and takes over from whoever wrote them last. */
export async function openSession(parts: RuntimeParts, ends: SessionEnds): Promise<OpenedSession> {
  const { plan, source, failpoint, rebuilds = false } = parts;
  const { sink, store, ownEpoch } = ends;
  const tables = await source.describe(tablesOf(plan));
  const compiled = compilePlan(plan, tables, await grammarFor(plan));
  if (rebuilds) refuseRebuild(plan);
  // In this order: while another instance still runs, results are never behind a checkpoint that
  // was read before them.
  const header = await store.open();
  const seen = await sink.open();
  nextEpoch(ownEpoch, seen, header); // before the slot is taken, too
  // The first claim of an instance that started with us may lie between the two looks.
  const isUnclaimed = seen !== null && header?.position == null;
  const since = isUnclaimed ? await store.readHeader() : header;
  const isCopying = copiedTables(plan).length > 0;
  const isPending = rebuilds || (isCopying && isCopyPending(seen, since));
  const isClaimedSince = isUnclaimed && since?.position != null;
  if (!isClaimedSince && !isPending) refuseOrphanedResults(seen, header);
  const created = await sink.prepare(compiled.shapes);
  // The stream comes before the claim: whoever cannot have the slot must not fence off the
  // instance that has it.
  let judged: CheckpointHeader | null = null;
  const stream = await source.open({
    readCheckpoint: async () => {
      judged = await store.readHeader();
      return judged;
    },
    results: isPending ? null : (seen?.position ?? null),
    beginsAnew: rebuilds,
    // To begin anew is recorded by forgetting, before the slot is dropped: a start that comes after
    // a failure anywhere behind this makes slot and copy anew, too.
    recordBirth: async () => {
      if (!rebuilds) return store.recordBirth();
      const claimed = nextEpoch(ownEpoch, seen, await store.readHeader());
      ends.onEpoch(claimed);
      await store.claim(claimed, null);
    },
    handlers: ends.handlers,
  });
  ends.onStream(stream);
  await failpoint?.("slot-created");
  // Read anew: the instance that had the slot has claimed after our first look.
  const stands = await store.readHeader();
  const epoch = nextEpoch(ownEpoch, seen, stands);
  ends.onEpoch(epoch);
  const { position, snapshot = null } = stream;
  if (snapshot !== null) {
    // Both claims fence, and neither says that there is anything yet.
    await store.claim(epoch, null);
    const progress = await sink.claim(epoch, position, true);
    const checkpoint = { position, blocks: [], passedOver: [] };
    return { compiled, stream, epoch, checkpoint, progress, created, snapshot };
  }
  refuseForgotten(judged, stands);
  await store.claim(epoch, stream.position);
  // Results without a checkpoint could not be continued, so the first one must not be lost again.
  if (seen === null) await store.settled(stands?.position?.lsn ?? stream.position.lsn);
  const progress = await sink.claim(epoch, stream.position);
  const checkpoint = await store.load({
    notBefore: earliestLoad(stream.position.lsn, judged, stands),
    notAfter: progress.position.lsn,
  });
  for (const reason of checkpoint.passedOver) parts.onPassedOver?.(reason);
  return { compiled, stream, epoch, checkpoint, progress, created, snapshot };
}

/** A claim would record an empty checkpoint where somebody has meanwhile begun anew. */
function refuseForgotten(judged: CheckpointHeader | null, stands: CheckpointHeader | null): void {
  if (judged?.position == null || stands?.position != null) return;
  throw new TidemarkError(
    "FENCED",
    "Another instance has begun the pipeline anew while this one was starting; this one stops. " +
      "Nothing was written.",
  );
}

/**
 * Where the oldest generation may lie that is loaded. The stream begins at `start`, but if another
 * instance has had the slot since the slot was judged, the server may have begun later, and only
 * that instance's last checkpoint is known to be no older than what it acknowledged.
 */
function earliestLoad(
  start: Lsn,
  judged: CheckpointHeader | null,
  stands: CheckpointHeader | null,
): Lsn {
  const isSame = (judged?.epoch ?? 0) === (stands?.epoch ?? 0);
  return isSame ? start : (stands?.position?.lsn ?? start);
}
