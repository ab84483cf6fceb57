import type { BlockReader, BlockWriter } from "./block.js";
import type { StateColumn } from "./state-column.js";

const FIRST_BYTES = 4096;
/** Below this much nothing is gained by closing gaps. */
const MIN_DEAD_BYTES = 65_536;

/** A piece of bytes a slot, all of them in one arena; a slot that was never set has none. */
export class BytesColumn implements StateColumn {
  readonly bytesPerSlot = 12;
  #starts: Float64Array = new Float64Array(0);
  #lengths: Int32Array = new Int32Array(0);
  #arena: Uint8Array = new Uint8Array(FIRST_BYTES);
  #used = 0;
  #dead = 0;

  get heldBytes(): number {
    return this.#arena.length;
  }

  /** The slot's bytes, as a view that is valid until the next `set`. */
  get(slot: number): Uint8Array {
    const start = this.#starts[slot] as number;
    return this.#arena.subarray(start, start + (this.#lengths[slot] as number));
  }

  /** Copies `bytes`, which may be a part of the arena itself. */
  set(slot: number, bytes: Uint8Array): void {
    this.clear(slot);
    const { length } = bytes;
    if (this.#used + length > this.#arena.length) this.#makeRoom(length);
    this.#arena.set(bytes, this.#used);
    this.#starts[slot] = this.#used;
    this.#lengths[slot] = length;
    this.#used += length;
  }

  grow(capacity: number): void {
    const starts = new Float64Array(capacity);
    starts.set(this.#starts);
    this.#starts = starts;
    const lengths = new Int32Array(capacity);
    lengths.set(this.#lengths);
    this.#lengths = lengths;
  }

  clear(slot: number): void {
    this.#dead += this.#lengths[slot] as number;
    this.#lengths[slot] = 0;
  }

  save(slot: number, out: BlockWriter): void {
    out.bytes(this.get(slot));
  }

  load(slot: number, from: BlockReader): void {
    this.set(slot, from.bytes());
  }

  /** Into a new arena: twice as large, or the same size again where half of it was gaps. */
  #makeRoom(more: number): void {
    const live = this.#used - this.#dead;
    const isSparse = this.#dead > MIN_DEAD_BYTES && this.#dead > live;
    const size = isSparse ? this.#arena.length : this.#arena.length * 2;
    const arena = new Uint8Array(Math.max(size, (live + more) * 2));
    let used = 0;
    for (let slot = 0; slot < this.#lengths.length; slot++) {
      if (this.#lengths[slot] === 0) continue;
      const bytes = this.get(slot);
      arena.set(bytes, used);
      this.#starts[slot] = used;
      used += bytes.length;
    }
    this.#arena = arena;
    this.#used = used;
    this.#dead = 0;
  }
}
