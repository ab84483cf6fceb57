import type { StateBlock } from "../core/operator.js";
import { BlockWriter } from "./block.js";
import type { GroupTable } from "./group-table.js";
import type { StateColumn } from "./state-column.js";
import type { StateSchema } from "./state-schema.js";

/** One piece of work ends after so many slots or bytes: some tens of microseconds. */
const PIECE_SLOTS = 256;
const PIECE_BYTES = 32 * 1024;

/** Where the blocks of a snapshot go and what they are called. */
export interface SnapshotTarget {
  readonly operator: string;
  readonly schema: StateSchema;
  /** Finished blocks are added here. */
  readonly blocks: StateBlock[];
}

interface KeyedSnapshotOptions extends SnapshotTarget {
  /** 1 for each key group that is part of it. */
  readonly groups: Uint8Array;
  readonly onEnd: () => void;
}

/**
 * Keyed state as it was when the snapshot began, written out piece by piece while rows go on
 * changing it. A slot is written when the walk over the slots comes to it or just before its first
 * change, whichever is earlier; slots made later are no part of it. So the blocks hold the same
 * slots however the pieces fall, only their order differs.
 *
 * Memory: the blocks (a part of the state, without its tables) and a bit a slot, until the
 * checkpoint is saved.
 */
export class KeyedSnapshot {
  readonly #table: GroupTable;
  readonly #columns: readonly StateColumn[];
  readonly #options: KeyedSnapshotOptions;
  readonly #writers: (BlockWriter | undefined)[];
  /** A bit for each slot that the walk has to pass over: written already, or made later. */
  readonly #isPassed: Uint8Array;
  /** Slots from here on were made later. */
  readonly #end: number;
  /** Where the walk stands. */
  #next = 0;
  #nextGroup = 0;

  constructor(table: GroupTable, columns: readonly StateColumn[], options: KeyedSnapshotOptions) {
    const { groups, schema } = options;
    this.#table = table;
    this.#columns = columns;
    this.#options = options;
    this.#writers = Array.from(groups, (isDirty) =>
      isDirty === 1 ? new BlockWriter(schema) : undefined,
    );
    this.#end = groups.includes(1) ? table.end : 0;
    this.#isPassed = new Uint8Array(Math.ceil(this.#end / 8));
  }

  /** Does a piece of the work; false when the blocks are complete. */
  advance(): boolean {
    if (this.#next < this.#end) {
      this.#walk();
      return true;
    }
    const { length } = this.#writers;
    while (this.#nextGroup < length && this.#writers[this.#nextGroup] === undefined) {
      this.#nextGroup++;
    }
    if (this.#nextGroup === length) {
      this.#options.onEnd();
      return false;
    }
    this.#finishBlock(this.#nextGroup++);
    return true;
  }

  /** The slot is about to change or to be removed, or was made just now (`isNew`). */
  beforeChange(slot: number, isNew: boolean): void {
    if (slot < this.#next || slot >= this.#end || this.#hasPassed(slot)) return;
    if (!isNew) this.#write(slot);
    const at = slot >> 3;
    this.#isPassed[at] = (this.#isPassed[at] as number) | (1 << (slot & 7));
  }

  #walk(): void {
    const end = Math.min(this.#end, this.#next + PIECE_SLOTS);
    let bytes = 0;
    while (this.#next < end && bytes < PIECE_BYTES) {
      const slot = this.#next++;
      if (this.#table.isUsed(slot) && !this.#hasPassed(slot)) bytes += this.#write(slot);
    }
  }

  /** Returns the bytes it took. */
  #write(slot: number): number {
    const out = this.#writers[this.#table.keyGroupOf(slot)];
    if (out === undefined) return 0;
    const before = out.length;
    out.double(this.#table.windowOf(slot));
    out.bytes(this.#table.keyOf(slot));
    for (const column of this.#columns) column.save(slot, out);
    return out.length - before;
  }

  #finishBlock(group: number): void {
    const { operator, blocks } = this.#options;
    const bytes = this.#writers[group]?.finish();
    this.#writers[group] = undefined;
    if (bytes !== undefined) blocks.push({ operator, block: group, bytes });
  }

  #hasPassed(slot: number): boolean {
    return ((this.#isPassed[slot >> 3] as number) & (1 << (slot & 7))) !== 0;
  }
}
