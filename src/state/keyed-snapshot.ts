import type { StateBlock } from "../core/operator.js";
import { BlockWriter, checksumOf } from "./block.js";
import type { DeltaChain } from "./delta-chain.js";
import type { GroupTable } from "./group-table.js";
import type { SlotChanges } from "./slot-changes.js";
import type { StateColumn } from "./state-column.js";
import type { StateSchema } from "./state-schema.js";

/** One piece of work ends after so many slots or bytes: some tens of microseconds. */
const PIECE_SLOTS = 256;
const PIECE_BYTES = 32 * 1024;

/** Room for a block in proportion to what it is expected to take. */
const ROOM = 1.1;

/** What is written of a key group. */
const BASE = 1;
const DELTA = 2;

/** Where the blocks of a snapshot go and what they are called. */
export interface SnapshotTarget {
  readonly operator: string;
  readonly schema: StateSchema;
  /** Finished blocks are added here. */
  readonly blocks: StateBlock[];
}

interface KeyedSnapshotOptions extends SnapshotTarget {
  /** What changed since the snapshot before; now the snapshot's own. */
  readonly changes: SlotChanges;
  /** Of each key group, as the snapshot before left them. */
  readonly chains: readonly DeltaChain[];
  readonly onEnd: () => void;
}

/**
 * Keyed state as it was when the snapshot began, written out piece by piece while rows go on
 * changing it. Of a key group that changed, all slots are written (a base) or only those that
 * changed (a delta), see {@link DeltaChain}. A slot is written when the walk over the slots comes
 * to it or just before its first change, whichever is earlier; slots made later are no part of it.
 * So the blocks hold the same slots however the pieces fall, only their order differs.
 *
 * Memory: the blocks (a part of the state, without its tables) and three bits a slot, until the
 * checkpoint is saved.
 */
export class KeyedSnapshot {
  readonly #table: GroupTable;
  readonly #columns: readonly StateColumn[];
  readonly #options: KeyedSnapshotOptions;
  /** BASE or DELTA; 0 for a group that did not change. */
  readonly #kinds: Uint8Array;
  /** Whether any group is written whole. */
  readonly #hasBases: boolean;
  readonly #writers: (BlockWriter | undefined)[];
  readonly #slotsWritten: Int32Array;
  /** A bit for each slot that the walk has to pass over: written already, or made later. */
  readonly #isPassed: Uint8Array;
  /** Slots from here on were made later. */
  readonly #end: number;
  /** Where the walk stands. */
  #next = 0;
  #nextGroup = 0;

  constructor(table: GroupTable, columns: readonly StateColumn[], options: KeyedSnapshotOptions) {
    const { chains } = options;
    this.#table = table;
    this.#columns = columns;
    this.#options = options;
    this.#kinds = Uint8Array.from(chains, (chain, group) => kindOf(options, chain, group));
    this.#hasBases = this.#kinds.includes(BASE);
    this.#writers = chains.map(() => undefined);
    this.#slotsWritten = new Int32Array(chains.length);
    this.#end = this.#kinds.some((kind) => kind > 0) ? table.end : 0;
    this.#isPassed = new Uint8Array(Math.ceil(this.#end / 8));
  }

  /** Does a piece of the work; false when the blocks are complete. */
  advance(): boolean {
    if (this.#next < this.#end) {
      this.#walk();
      return true;
    }
    const { length } = this.#kinds;
    while (this.#nextGroup < length && this.#kinds[this.#nextGroup] === 0) this.#nextGroup++;
    if (this.#nextGroup === length) {
      this.#options.onEnd();
      return false;
    }
    this.#finishGroup(this.#nextGroup++);
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
    const { changes } = this.#options;
    let bytes = 0;
    for (let looks = 0; looks < PIECE_SLOTS && bytes < PIECE_BYTES; looks++) {
      if (this.#next >= this.#end) return;
      const slot = this.#next;
      if (!this.#hasBases && (slot & 7) === 0 && changes.areEightUnchanged(slot)) {
        this.#next = slot + 8;
        continue;
      }
      this.#next++;
      if (this.#table.isUsed(slot) && !this.#hasPassed(slot)) bytes += this.#write(slot);
    }
  }

  /** Returns the bytes it took. */
  #write(slot: number): number {
    const group = this.#table.keyGroupOf(slot);
    const kind = this.#kinds[group];
    if (kind === 0 || (kind === DELTA && !this.#options.changes.isChanged(slot))) return 0;
    const out = this.#writerOf(group);
    const before = out.length;
    out.double(this.#table.windowOf(slot));
    out.bytes(this.#table.keyOf(slot));
    for (const column of this.#columns) column.save(slot, out);
    this.#slotsWritten[group] = (this.#slotsWritten[group] as number) + 1;
    return out.length - before;
  }

  #writerOf(group: number): BlockWriter {
    const known = this.#writers[group];
    if (known !== undefined) return known;
    const { schema, changes } = this.#options;
    const chain = this.#options.chains[group] as DeltaChain;
    const isBase = this.#kinds[group] === BASE;
    // Groups are about equally large.
    const slots = isBase ? this.#table.size / this.#kinds.length : changes.countOf(group);
    const expectedBytes = Math.ceil(chain.bytesOf(slots) * ROOM);
    const out = new BlockWriter(schema, isBase ? null : chain.checksum, expectedBytes);
    this.#writers[group] = out;
    const removed = isBase ? null : changes.removedOf(group);
    if (removed !== null) {
      out.integer(removed.count);
      out.append(removed.bytes);
    }
    return out;
  }

  #finishGroup(group: number): void {
    const { operator, blocks, changes } = this.#options;
    const chain = this.#options.chains[group] as DeltaChain;
    const bytes = this.#writerOf(group).finish();
    this.#writers[group] = undefined;
    const slots = this.#slotsWritten[group] as number;
    const written = { size: bytes.length, checksum: checksumOf(bytes), slots };
    if (this.#kinds[group] === DELTA) {
      chain.wroteDelta(written);
      blocks.push({ operator, block: chain.numberOf(chain.length), bytes });
      return;
    }
    for (let n = 1; n <= chain.length; n++) {
      blocks.push({ operator, block: chain.numberOf(n), bytes: new Uint8Array() });
    }
    chain.wroteBase(written, changes.countOf(group));
    blocks.push({ operator, block: chain.numberOf(0), bytes });
  }

  #hasPassed(slot: number): boolean {
    return ((this.#isPassed[slot >> 3] as number) & (1 << (slot & 7))) !== 0;
  }
}

function kindOf({ changes }: KeyedSnapshotOptions, chain: DeltaChain, group: number): number {
  const count = changes.countOf(group);
  if (count === 0) return 0;
  return changes.removedOf(group) !== null && chain.admits(count) ? DELTA : BASE;
}
