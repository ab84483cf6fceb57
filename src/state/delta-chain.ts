import { KEY_GROUPS } from "./group-table.js";

/** Longest chain: bounds what a store has to name, and with it the work of naming it. */
const MAX_DELTAS = 24;
/** The deltas of a chain hold at most this part of what its base does. */
const MAX_SHARE = 0.5;
/** Below it a block's header and a row of a store weigh as much as what they hold. */
const MIN_BASE_BYTES = 8192;

/**
 * How a key group lies in the checkpoint: a base with all of its slots, and deltas with the slots
 * that changed since the block before. Block numbers say which is which: a group's base has the
 * group's number, its n-th delta that number and n times {@link KEY_GROUPS}.
 *
 * A delta is added while it is worth it: the deltas together stay below half of the base, and there
 * are at most 24. Then the group is written whole, as it is when most of it changed anyway. When
 * all groups were written whole in one checkpoint, their chains may grow to different lengths at
 * first, so that they do not come to their ends in one checkpoint either.
 */
export class DeltaChain {
  readonly #group: number;
  #length = 0;
  #limit: number;
  /** Of the last block; null before the first. */
  #checksum: number | null = null;
  #baseBytes = 0;
  #baseSlots = 0;
  #deltaBytes = 0;

  constructor(group: number) {
    this.#group = group;
    this.#limit = firstLimit(group);
  }

  /** How many deltas there are. */
  get length(): number {
    return this.#length;
  }

  /** What the next delta follows. */
  get checksum(): number | null {
    return this.#checksum;
  }

  /** The number of block `n` of the chain; the base is 0. */
  numberOf(n: number): number {
    return this.#group + n * KEY_GROUPS;
  }

  /** About how many bytes that many slots take. */
  bytesOf(slots: number): number {
    return Math.ceil((slots * this.#baseBytes) / Math.max(1, this.#baseSlots));
  }

  /** Whether so many changed or removed slots are best written as one more delta. */
  admits(changes: number): boolean {
    if (this.#baseBytes < MIN_BASE_BYTES || this.#length >= this.#limit) return false;
    return this.#deltaBytes + this.bytesOf(changes) <= this.#baseBytes * MAX_SHARE;
  }

  /** The group was written whole, because of so many changes or because its chain was at an end. */
  wroteBase(block: WrittenBlock, changes: number): void {
    const isDense = changes > this.#baseSlots * MAX_SHARE;
    this.#limit = isDense ? firstLimit(this.#group) : MAX_DELTAS;
    this.#length = 0;
    this.#deltaBytes = 0;
    this.#baseBytes = block.size;
    this.#baseSlots = block.slots;
    this.#checksum = block.checksum;
  }

  /** A delta was written or restored. */
  wroteDelta(block: WrittenBlock): void {
    this.#length++;
    this.#deltaBytes += block.size;
    this.#checksum = block.checksum;
  }
}

/** A block as its chain remembers it. */
export interface WrittenBlock {
  /** In bytes. */
  readonly size: number;
  readonly checksum: number;
  /** Slots in it. */
  readonly slots: number;
}

function firstLimit(group: number): number {
  return 1 + (group % MAX_DELTAS);
}
