import type { OutputBatch } from "./output.js";
import type { Rows } from "./rows.js";

/** A block of an operator's state, as a checkpoint stores it. */
export interface StateBlock {
  /** The operator's stable name. */
  readonly operator: string;
  /** Key group, 0 to 127; -1 for what is not keyed. */
  readonly block: number;
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
}

/** An operator that remembers. */
export interface StatefulOperator extends Operator {
  /** Approximate bytes of memory held. */
  readonly stateBytes: number;
  /** Blocks that changed since the last call; the receiver owns the bytes. */
  saveDirty(): StateBlock[];
  /** Restores from all blocks of this operator. Called once, before any row. */
  restore(blocks: readonly StateBlock[]): void;
}

/** An operator at the end of a pipeline, whose results a sink takes. */
export interface OutputOperator extends StatefulOperator {
  /** Rows changed since the last call, or null. */
  collect(): OutputBatch | null;
  /** Lets the next `collect` give every row: the sink has none. Returns whether there are any. */
  resend(): boolean;
  /** Forgets what has changed since the last `collect`: the sink already has it. */
  discard(): void;
}
