import type { AppendBatch, OutputBatch, OutputShape } from "./output.js";
import type { Position } from "./position.js";

/** What a sink remembers, in the same transaction as the results. */
export interface SinkProgress {
  readonly position: Position;
  /** Number of the run that wrote last. */
  readonly epoch: number;
  /** As in the commit that wrote it. */
  readonly idleMs: number | null;
}

/** Results up to a position: all of every transaction up to there and nothing after. */
export interface SinkCommit {
  readonly epoch: number;
  readonly position: Position;
  /** Null before the first row. */
  readonly watermarkMs: number | null;
  /**
   * The server's clock, when it moved the watermarks at `position` because nothing else came; so
   * that a replay repeats it. Null otherwise.
   */
  readonly idleMs: number | null;
  readonly outputs: readonly OutputBatch[];
  /**
   * Whether the write, and with it all before it, has to survive a crash of the sink once it
   * resolves: a checkpoint at `position` follows. Otherwise it need only be visible.
   */
  readonly mustBeDurable: boolean;
}

/** What becomes of results when a pipeline is forgotten: tables and all, their rows, or nothing. */
export type ResultsFate = "drop" | "empty" | "keep";

/**
 * Where results go. `write` makes outputs and progress take effect together or not at all; when its
 * reply is lost, the caller opens the sink anew and reads the progress.
 */
export interface Sink {
  /** Connects and reads the progress; null when this pipeline has never written. */
  open(): Promise<SinkProgress | null>;
  /**
   * Creates what the outputs need, or throws VIEW_MISMATCH. A table of ours that lacks a column of
   * an append output gets it. Resolves to the names of those whose tables are empty, made now or
   * not: a view's rows have to be written to them, if its state has any.
   */
  prepare(outputs: readonly OutputShape[]): Promise<readonly string[]>;
  /**
   * Makes `epoch` the writer: smaller epochs are FENCED from then on. Throws FENCED when a greater
   * or equal one has claimed already. `position` is recorded when there is no progress yet, and
   * with `isAnew` in place of any: all results are going to be written anew.
   * Resolves to the progress, by then durable, that nobody else can move any more: a write of an
   * earlier run, whose reply was lost, may have taken effect after `open` read it.
   */
  claim(epoch: number, position: Position, isAnew?: boolean): Promise<SinkProgress>;
  /**
   * Sends rows of append outputs ahead of the write they belong to, so that a transaction may be
   * larger than the memory that holds its results. Nobody sees them before that write, which makes
   * them take effect with the rest; without it they are as if never sent. Waits for its turn.
   */
  stage(batches: readonly AppendBatch[]): Promise<void>;
  /**
   * Resolves when visible to every reader, and durable if the commit asks for it. What is not yet
   * durable is lost in a crash of the sink together with its progress, never apart from it. Throws
   * FENCED when another epoch has claimed.
   */
  write(commit: SinkCommit): Promise<void>;
  /** Forgets the progress of this pipeline, and its results as told (default: `drop`). */
  reset(outputs: readonly string[], fate?: ResultsFate): Promise<void>;
  close(): Promise<void>;
}
