import type { BlockReader, BlockWriter } from "./block.js";

/**
 * What a keyed state keeps for each slot: arrays indexed by slot. The state makes room, clears what
 * is removed, saves and restores; the operator only computes. `save` and `load` are the column's
 * codec: what they write is part of the operator's facts (see `StepState`), so a codec that changes
 * needs another fact.
 */
export interface StateColumn {
  /** Approximate bytes a slot. */
  readonly bytesPerSlot: number;
  /** Approximate bytes held beside them, where slots hold more or less. */
  readonly heldBytes?: number;
  /** Makes room for slots below `capacity`; new slots are as after `clear`. */
  grow(capacity: number): void;
  /** Forgets a slot that was removed. */
  clear(slot: number): void;
  save(slot: number, out: BlockWriter): void;
  load(slot: number, from: BlockReader): void;
}
