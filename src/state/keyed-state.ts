import { assert } from "../core/assert.js";
import type { BlockReader } from "./block.js";
import { DeltaChain } from "./delta-chain.js";
import { GroupTable, KEY_GROUPS } from "./group-table.js";
import { KeyedSnapshot, type SnapshotTarget } from "./keyed-snapshot.js";
import { SlotChanges } from "./slot-changes.js";
import type { StateColumn } from "./state-column.js";

/**
 * Keyed state: a table from (key, window) to slots, and columns with what is kept for each slot.
 * It knows which slots changed since the last snapshot, and keeps the slots of a snapshot that is
 * under way as they were: whoever asks for a slot may change it, so that is the moment in which
 * its old contents are put aside. Operators neither mark nor save anything.
 */
export class KeyedState extends GroupTable {
  readonly #columns: readonly StateColumn[];
  readonly #bytesPerSlot: number;
  readonly #chains = Array.from({ length: KEY_GROUPS }, (_, group) => new DeltaChain(group));
  /** Since the last snapshot began. */
  #changes: SlotChanges = new SlotChanges(this.capacity);
  #snapshot: KeyedSnapshot | null = null;

  constructor(columns: readonly StateColumn[]) {
    super((capacity) => {
      for (const column of columns) column.grow(capacity);
    });
    this.#columns = columns;
    this.#bytesPerSlot = columns.reduce((bytes, column) => bytes + column.bytesPerSlot, 0);
    for (const column of columns) column.grow(this.capacity);
  }

  override get bytes(): number {
    let held = 0;
    for (const column of this.#columns) held += column.heldBytes ?? 0;
    return super.bytes + this.capacity * this.#bytesPerSlot + held + this.#changes.bytes;
  }

  /** The slot of the key in the window, made if there is none; the caller may change it. */
  override slot(window: number): number {
    const slot = super.slot(window);
    this.#changes.mark(slot, this.keyGroupOf(slot), this.isNew);
    this.#snapshot?.beforeChange(slot, this.isNew);
    return slot;
  }

  /** The caller is about to change a slot that it did not get by `slot`. */
  touch(slot: number): void {
    this.#changes.mark(slot, this.keyGroupOf(slot), false);
    this.#snapshot?.beforeChange(slot, false);
  }

  /** Removes one slot. */
  override remove(slot: number): void {
    this.#forget(slot);
    super.remove(slot);
  }

  /** Removes all slots of a window. */
  override removeWindow(window: number): void {
    super.removeWindow(window, (slot) => this.#forget(slot));
  }

  /** Removes everything. */
  removeAll(): void {
    for (const window of [...this.windows()]) this.removeWindow(window);
  }

  /**
   * Begins a snapshot of what changed since the last one, in a time that does not depend on how
   * much that is. One at a time.
   */
  snapshot(target: SnapshotTarget): KeyedSnapshot {
    assert(this.#snapshot === null, "one snapshot of a state at a time");
    const changes = this.#changes;
    this.#changes = new SlotChanges(this.capacity);
    this.#snapshot = new KeyedSnapshot(this, this.#columns, {
      ...target,
      changes,
      chains: this.#chains,
      onEnd: () => {
        this.#snapshot = null;
      },
    });
    return this.#snapshot;
  }

  /**
   * Adds what a block of a snapshot holds; blocks come in the order of their numbers. Throws
   * CHECKPOINT_CORRUPT for a delta that does not follow the blocks before it.
   */
  load(number: number, from: BlockReader): void {
    const chain = this.#chains[number % KEY_GROUPS] as DeltaChain;
    const isBase = number < KEY_GROUPS;
    from.requireFollows(isBase ? null : chain.checksum);
    if (!isBase) this.#loadRemoved(from);
    let slots = 0;
    for (; !from.isAtEnd; slots++) {
      const window = from.double();
      this.setKey(from.bytes());
      const slot = super.slot(window);
      for (const column of this.#columns) {
        if (!this.isNew) column.clear(slot);
        column.load(slot, from);
      }
    }
    const block = { size: from.size, checksum: from.checksum, slots };
    if (isBase) chain.wroteBase(block, 0);
    else chain.wroteDelta(block);
  }

  #loadRemoved(from: BlockReader): void {
    for (let left = from.integer(); left > 0; left--) {
      const window = from.double();
      this.setKey(from.bytes());
      const slot = this.find(window);
      if (slot < 0) continue;
      for (const column of this.#columns) column.clear(slot);
      super.remove(slot);
    }
  }

  #forget(slot: number): void {
    this.#snapshot?.beforeChange(slot, false);
    this.#changes.remove(this, slot);
    for (const column of this.#columns) column.clear(slot);
  }
}
