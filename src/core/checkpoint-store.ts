import type { StateBlock } from "./operator.js";
import type { Position } from "./position.js";

/** A checkpoint without its blocks. */
export interface CheckpointHeader {
  /** Null while only the intent to create the slot is on record. */
  readonly position: Position | null;
  readonly epoch: number;
}

/** What one checkpoint adds: the dirty blocks replace those of the same operator and number. */
export interface CheckpointDelta {
  readonly epoch: number;
  readonly position: Position;
  readonly blocks: readonly StateBlock[];
}

/**
 * Keeps the newest checkpoint of one pipeline. A save is atomic and durable when it resolves, and
 * never moves the position back.
 */
export interface CheckpointStore {
  /** Connects and reads the header; null when nothing is stored. */
  open(): Promise<CheckpointHeader | null>;
  /** The header as it stands now; another instance may have moved it since `open`. */
  readHeader(): Promise<CheckpointHeader | null>;
  /** Writes down that the slot is about to be created. */
  recordBirth(): Promise<void>;
  /**
   * Makes `epoch` the writer, recording `position` as the first checkpoint when there is none.
   * Throws FENCED when a greater or equal epoch has claimed already.
   */
  claim(epoch: number, position: Position): Promise<void>;
  /** All blocks of the checkpoint, in no order. Throws CHECKPOINT_CORRUPT. */
  load(): Promise<{ position: Position; blocks: StateBlock[] }>;
  /** Resolves when durable. Throws FENCED when another epoch has claimed. */
  save(delta: CheckpointDelta): Promise<void>;
  /** Forgets the pipeline. */
  reset(): Promise<void>;
  close(): Promise<void>;
}
