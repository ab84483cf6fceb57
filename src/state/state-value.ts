import type { BlockReader, BlockWriter } from "./block.js";

/** Something unkeyed that a step remembers, and that knows whether it has to be saved. */
export interface StateValue {
  /** Whether it changed since it was last saved. */
  readonly isDirty: boolean;
  save(out: BlockWriter): void;
  /** Reads exactly what `save` wrote. */
  load(from: BlockReader): void;
}
