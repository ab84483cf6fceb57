import type { Batch } from "./batch.js";
import type { CatalogTable } from "./catalog.js";
import type { CheckpointHeader } from "./checkpoint-store.js";
import type { Lsn } from "./lsn.js";
import type { Position } from "./position.js";

/** What a stream calls, synchronously and in commit order, as it reads. */
export interface StreamHandlers {
  /** Takes over the batch. */
  onBatch(batch: Batch): void;
  /**
   * Nothing is open and everything sent up to `walEnd` has been handed over. `serverMs` is the
   * server's clock. `isUrgent`: the server waits for `walEnd` to be acknowledged, to shut down.
   */
  onIdle(walEnd: Lsn, serverMs: number, isUrgent: boolean): void;
}

/** Rows of tables as they stand where a new slot begins. */
export interface TableSnapshot {
  /**
   * Hands over all rows as one transaction, whose xid is COPY_XID and which ends at the stream's
   * position; no more is read before `onBatch` returns. Rejects when the snapshot is lost.
   */
  copy(onBatch: (batch: Batch) => void): Promise<void>;
  /** Gives it up, also in the middle of a copy, which then rejects. Never rejects. */
  close(): Promise<void>;
}

/** Where to begin and what is known from earlier runs. */
export interface StreamRequest {
  /**
   * The checkpoint as it stands now; null when there is none, without a position when an earlier
   * run wrote down that it creates the slot and got no further. To be read once nobody else reads
   * the slot: another instance moves both until it ends.
   */
  readCheckpoint(): Promise<CheckpointHeader | null>;
  /** What the results hold; the server must have this much of its history, too. */
  readonly results?: Position | null;
  /** Whether slot and checkpoint, if there are any, are to be replaced by a new slot. */
  readonly beginsAnew?: boolean;
  /** Writes down, durably, that the slot is about to be created. */
  recordBirth(): Promise<void>;
  readonly handlers: StreamHandlers;
}

/** A running stream. It begins paused. */
export interface ChangeStream {
  /**
   * Where the first transaction comes after: the oldest generation of the checkpoint that can still
   * be loaded without a gap, or the new slot's starting point.
   */
  readonly position: Position;
  /** What the tables to be copied held at `position`; null when the slot was there already. */
  readonly snapshot?: TableSnapshot | null;
  /** Bytes received so far, protocol included. */
  readonly bytesReceived: number;
  /** Starts or goes on reading. */
  resume(): void;
  /** Stops reading (back-pressure); the connection is kept alive meanwhile. */
  pause(): void;
  /** Tells the server what is durable (`flush`, moves the slot) and what is visible (`apply`). */
  report(flush: Lsn, apply: Lsn): void;
  /**
   * The server's clock moved the watermarks at this position, now or, before the first `resume`, in
   * an earlier run; a recording notes it.
   */
  advanced?(position: Lsn, serverMs: number): void;
  /** Settles when the stream is over: fulfilled after `close`, rejected with why otherwise. */
  readonly closed: Promise<void>;
  /** Ends the stream; never rejects. */
  close(): Promise<void>;
}

/** What a source has to do beside its streams, from before the first to after the last one. */
export interface SourceUpkeep {
  /** Whether it keeps the server free of what results are slow to take, so that a start waits. */
  readonly isHolding: boolean;
  /** Resolves after `stop`; rejects with what ends the pipeline. Called once. */
  run(): Promise<void>;
  stop(): Promise<void>;
}

/** Where changes come from. */
export interface ChangeSource {
  readonly upkeep?: SourceUpkeep;
  /** The tables' shape by the catalogue. Throws SOURCE_TABLE_MISSING for one that is not there. */
  describe(tables: readonly string[]): Promise<readonly CatalogTable[]>;
  /** Checks everything that can be checked, then opens the stream. */
  open(request: StreamRequest): Promise<ChangeStream>;
  /** Removes what `open` created on the server, so that the next start is from nothing. */
  reset(): Promise<void>;
}
