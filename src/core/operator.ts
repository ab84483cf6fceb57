import type { OutputBatch } from "./output.js";
import type { Rows } from "./rows.js";

/** A block of an operator's state, as a checkpoint stores it. */
export interface StateBlock {
  /** The operator's stable name. */
  readonly operator: string;
  /**
   * Key group, 0 to 127; -1 for what is not keyed. A multiple of 128 on top of a group marks a
   * block with what changed in it: the first has 128, the next 256, and so on.
   */
  readonly block: number;
  /** Empty for a block that is no more; a store forgets it. */
  readonly bytes: Uint8Array;
}

/**
 * A step of a pipeline. Synchronous and deterministic: the same rows and watermarks in the same
 * order give the same outputs, however they were cut into batches. Time comes only from the stream.
 */
export interface Operator {
  /** Stable name, unique in the pipeline: names state in checkpoints. */
  readonly id: string;
  onRows(rows: Rows): void;
  /** No row at or before `watermarkMs` is expected any more; never called with a smaller value. */
  onWatermark(watermarkMs: number): void;
  /** The table was truncated: every row that came in has left. */
  onClear(): void;
}

/**
 * State as it was at one moment, turned into blocks a piece at a time while the operators go on.
 */
export interface StateSnapshot {
  /** Does a piece of the work, well under a millisecond; false when there is none left. */
  advance(): boolean;
  /** What changed since the snapshot before, complete once `advance` is false. The caller's own. */
  readonly blocks: readonly StateBlock[];
}

/** What an operator remembers, as the engine sees it. */
export interface OperatorState {
  /** Approximate bytes of memory held. */
  readonly bytes: number;
  /** Begins a snapshot; the one before has ended. */
  snapshot(): StateSnapshot;
  /**
   * In which facts a saved block differs from what the operator needs, in words; empty when it can
   * be restored. Throws CHECKPOINT_CORRUPT.
   */
  differences(block: StateBlock): readonly string[];
  /** Restores from all blocks of this operator, which fit. Called once, before any row. */
  restore(blocks: readonly StateBlock[]): void;
}

/** An operator that remembers. */
export interface StatefulOperator extends Operator {
  readonly state: OperatorState;
}

/** An operator at the end of a pipeline, whose results a sink takes. */
export interface OutputOperator extends StatefulOperator {
  /** Bytes of results held until they are collected. */
  readonly heldBytes: number;
  /** Rows changed since the last call, or null. */
  collect(): OutputBatch | null;
  /** Lets the next `collect` give every row: the sink has none. Returns whether there are any. */
  resend(): boolean;
  /**
   * Lets the next `collect` give every row, in place of all that the sink has: what it has was not
   * computed from this state. What changed since the last `collect` is part of it. False where
   * results only grow, and stay.
   */
  replace(): boolean;
  /** Forgets what has changed since the last `collect`: the sink already has it. */
  discard(): void;
}
