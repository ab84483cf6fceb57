import { assert } from "../core/assert.js";
import type { BlockReader } from "./block.js";
import { GroupTable, KEY_GROUPS } from "./group-table.js";
import { KeyedSnapshot, type SnapshotTarget } from "./keyed-snapshot.js";
import type { StateColumn } from "./state-column.js";

/**
 * Keyed state: a table from (key, window) to slots, and columns with what is kept for each slot.
 * It knows which key groups changed since the last snapshot, and keeps the slots of a snapshot that
 * is under way as they were: whoever asks for a slot may change it, so that is the moment in which
 * its old contents are put aside. Operators neither mark nor save anything.
 */
export class KeyedState extends GroupTable {
  readonly #columns: readonly StateColumn[];
  readonly #bytesPerSlot: number;
  readonly #dirtyGroups = new Uint8Array(KEY_GROUPS);
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
    return super.bytes + this.capacity * this.#bytesPerSlot + held;
  }

  /** The slot of the key in the window, made if there is none; the caller may change it. */
  override slot(window: number): number {
    const slot = super.slot(window);
    this.#dirtyGroups[this.keyGroupOf(slot)] = 1;
    this.#snapshot?.beforeChange(slot, this.isNew);
    return slot;
  }

  /** The caller is about to change a slot that it did not get by `slot`. */
  touch(slot: number): void {
    this.#dirtyGroups[this.keyGroupOf(slot)] = 1;
    this.#snapshot?.beforeChange(slot, false);
  }

  /** Removes one slot. */
  override remove(slot: number): void {
    this.touch(slot);
    for (const column of this.#columns) column.clear(slot);
    super.remove(slot);
  }

  /** Removes all slots of a window. */
  override removeWindow(window: number): void {
    super.removeWindow(window, (slot) => {
      this.touch(slot);
      for (const column of this.#columns) column.clear(slot);
    });
  }

  /** Removes everything. */
  removeAll(): void {
    for (const window of [...this.windows()]) this.removeWindow(window);
  }

  /**
   * Begins a snapshot of the key groups that changed since the last one, in a time that does not
   * depend on how much they hold. One at a time.
   */
  snapshot(target: SnapshotTarget): KeyedSnapshot {
    assert(this.#snapshot === null, "one snapshot of a state at a time");
    const groups = this.#dirtyGroups.slice();
    this.#dirtyGroups.fill(0);
    this.#snapshot = new KeyedSnapshot(this, this.#columns, {
      ...target,
      groups,
      onEnd: () => {
        this.#snapshot = null;
      },
    });
    return this.#snapshot;
  }

  /** Adds what a block of a snapshot holds. */
  load(from: BlockReader): void {
    while (!from.isAtEnd) {
      const window = from.double();
      this.setKey(from.bytes());
      const slot = super.slot(window);
      for (const column of this.#columns) column.load(slot, from);
    }
  }
}
