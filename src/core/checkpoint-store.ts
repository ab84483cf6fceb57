import type { TidemarkError } from "./errors.js";
import type { Lsn } from "./lsn.js";
import type { StateBlock } from "./operator.js";
import type { Position } from "./position.js";

/** A checkpoint without its blocks. */
export interface CheckpointHeader {
  /** Null while only the intent to create the slot is on record. */
  readonly position: Position | null;
  readonly epoch: number;
  /** Where the generations stand that were saved before it and are still kept, newest first. */
  readonly earlier: readonly Position[];
}

/** What one checkpoint adds: the dirty blocks replace those of the same operator and number. */
export interface CheckpointDelta {
  readonly epoch: number;
  readonly position: Position;
  readonly blocks: readonly StateBlock[];
}

/** Which generations a run can begin with. */
export interface LoadBounds {
  /** The stream begins here: with an older generation changes would be missing. */
  readonly notBefore: Lsn;
  /** The results stand here: a newer generation holds what they never had. */
  readonly notAfter: Lsn;
}

/** A checkpoint with its blocks, in no order; the receiver owns their bytes. */
export interface LoadedCheckpoint {
  readonly position: Position;
  readonly blocks: readonly StateBlock[];
  /** Why each newer generation was not taken; empty when this is the newest. */
  readonly passedOver: readonly TidemarkError[];
}

/**
 * Keeps the newest checkpoint of one pipeline, and where that can help the one before. A save is
 * atomic and never moves the position back. It is the newest as soon as it resolves; whether it
 * would survive a crash of the store is a second question, answered by `settled`.
 */
export interface CheckpointStore {
  /** Once open: whether a checkpoint settles too late for results to wait for it. Default: no. */
  readonly settlesLate?: boolean;
  /** Connects and reads the header; null when nothing is stored. */
  open(): Promise<CheckpointHeader | null>;
  /** The header as it stands now; another instance may have moved it since `open`. */
  readHeader(): Promise<CheckpointHeader | null>;
  /** Writes down that the slot is about to be created. */
  recordBirth(): Promise<void>;
  /**
   * Makes `epoch` the writer, recording `position` as the first checkpoint when there is none. Null
   * begins anew: what is stored is forgotten, and the first save brings position and state at once;
   * until then only the intent is on record, as after `recordBirth`. Throws FENCED when a greater
   * or equal epoch has claimed already.
   */
  claim(epoch: number, position: Position | null): Promise<void>;
  /**
   * The newest generation that is whole, within the bounds if any are given. Throws
   * CHECKPOINT_CORRUPT when it is damaged and none before it may stand in, DIVERGED when all are
   * beyond the results. After a claim, the next save follows the generation that was loaded.
   */
  load(bounds?: LoadBounds): Promise<LoadedCheckpoint>;
  /** Resolves when it is the newest checkpoint. Throws FENCED when another epoch has claimed. */
  save(delta: CheckpointDelta): Promise<void>;
  /**
   * Resolves once the checkpoint at `lsn`, loaded or saved by this store, would survive whatever
   * the store is configured to survive. Only then may it be acknowledged. Rejects when the store
   * turns out to have lost it, and when it is closed before.
   */
  settled(lsn: Lsn): Promise<void>;
  /** Forgets the pipeline. */
  reset(): Promise<void>;
  close(): Promise<void>;
}
