import { ByteWriter } from "./byte-writer.js";
import { type GroupTable, KEY_GROUPS } from "./group-table.js";

/** Removed keys of a group that are remembered in any case. */
const MIN_REMOVED = 64;

/** Keys that were removed: their windows and bytes, one after the other. */
export interface RemovedKeys {
  readonly count: number;
  readonly bytes: Uint8Array;
}

interface Removals {
  count: number;
  readonly keys: ByteWriter;
}

const NONE: RemovedKeys = { count: 0, bytes: new Uint8Array(0) };

/**
 * What happened to the slots of a table between two snapshots: which changed, and the keys of those
 * that were removed and that the snapshot before had. Of a group that lost more than half of an
 * average group's slots the keys are not kept, since it is worth no delta.
 */
export class SlotChanges {
  /** A bit a slot. */
  #isChanged: Uint8Array;
  /** A bit for each slot that the snapshot before does not have. */
  #isNew: Uint8Array;
  readonly #counts = new Int32Array(KEY_GROUPS);
  readonly #removals: (Removals | "many" | undefined)[] = Array.from({ length: KEY_GROUPS });

  /** For slots below `capacity`; makes room for more as they are marked. */
  constructor(capacity: number) {
    this.#isChanged = new Uint8Array(Math.ceil(capacity / 8));
    this.#isNew = new Uint8Array(this.#isChanged.length);
  }

  /** Approximate bytes held. */
  get bytes(): number {
    let bytes = 2 * this.#isChanged.length;
    for (const removals of this.#removals) {
      if (typeof removals === "object") bytes += removals.keys.length;
    }
    return bytes;
  }

  /** Slots of a group that changed, and keys that were removed from it. */
  countOf(group: number): number {
    return this.#counts[group] as number;
  }

  /** Null when there were too many to be kept. */
  removedOf(group: number): RemovedKeys | null {
    const removals = this.#removals[group];
    if (removals === undefined) return NONE;
    return removals === "many" ? null : { count: removals.count, bytes: removals.keys.written };
  }

  isChanged(slot: number): boolean {
    return ((this.#isChanged[slot >> 3] ?? 0) & (1 << (slot & 7))) !== 0;
  }

  /** Whether none of the eight slots from `slot` on changed; `slot` is a multiple of 8. */
  areEightUnchanged(slot: number): boolean {
    return (this.#isChanged[slot >> 3] ?? 0) === 0;
  }

  /** A slot was made or is about to change. */
  mark(slot: number, group: number, isNew: boolean): void {
    const at = slot >> 3;
    const bit = 1 << (slot & 7);
    if (at >= this.#isChanged.length) this.#grow(at);
    const changed = this.#isChanged[at] as number;
    if (isNew) this.#isNew[at] = (this.#isNew[at] as number) | bit;
    if ((changed & bit) !== 0) return;
    this.#isChanged[at] = changed | bit;
    this.#counts[group] = (this.#counts[group] as number) + 1;
  }

  /** A slot of `table` is about to be removed. */
  remove(table: GroupTable, slot: number): void {
    const group = table.keyGroupOf(slot);
    this.mark(slot, group, false);
    const at = slot >> 3;
    const bit = 1 << (slot & 7);
    this.#isChanged[at] = (this.#isChanged[at] as number) & ~bit;
    if (((this.#isNew[at] as number) & bit) !== 0) {
      this.#isNew[at] = (this.#isNew[at] as number) & ~bit;
      this.#counts[group] = (this.#counts[group] as number) - 1;
      return;
    }
    let removals = this.#removals[group];
    if (removals === "many") return;
    if (removals === undefined) {
      removals = { count: 0, keys: new ByteWriter() };
      this.#removals[group] = removals;
    }
    removals.count++;
    removals.keys.double(table.windowOf(slot));
    removals.keys.bytes(table.keyOf(slot));
    const limit = MIN_REMOVED + table.size / KEY_GROUPS / 2;
    if (removals.count > limit) this.#removals[group] = "many";
  }

  /** Makes room for at least the bits of byte `at`; a restore makes slots that are not marked. */
  #grow(at: number): void {
    const length = Math.max(at + 1, this.#isChanged.length * 2);
    const isChanged = new Uint8Array(length);
    isChanged.set(this.#isChanged);
    this.#isChanged = isChanged;
    const isNew = new Uint8Array(length);
    isNew.set(this.#isNew);
    this.#isNew = isNew;
  }
}
