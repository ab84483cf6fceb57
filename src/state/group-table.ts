import { assert } from "../core/assert.js";

/** How many key groups state is divided into; checkpoints write whole groups. */
export const KEY_GROUPS = 128;

const EMPTY = -1;
const UTF8 = new TextEncoder();
const FIRST_SLOTS = 256;

/**
 * A hash table from (key bytes, window) to a small integer, the slot, that indexes the arrays in
 * which operators keep their numbers. Open addressing with linear probing over an Int32Array;
 * removal shifts back, so that there are no tombstones. Keys lie in one byte arena. No object is
 * made per key: a slot costs 40 bytes here, and its key's bytes.
 *
 * How to use: `beginKey`, `addNull` or `addBytes` a column, then `slot(window)`.
 */
export class GroupTable {
  /** Slots are below this; arrays beside the table grow with it (see `onGrow`). */
  capacity: number = FIRST_SLOTS;
  size = 0;
  #table: Int32Array = new Int32Array(FIRST_SLOTS * 2).fill(EMPTY);
  #hashes: Int32Array = new Int32Array(FIRST_SLOTS);
  #windows: Float64Array = new Float64Array(FIRST_SLOTS);
  #keyStart: Float64Array = new Float64Array(FIRST_SLOTS);
  #keyLength: Int32Array = new Int32Array(FIRST_SLOTS).fill(EMPTY);
  #nextInWindow: Int32Array = new Int32Array(FIRST_SLOTS);
  #previousInWindow: Int32Array = new Int32Array(FIRST_SLOTS);
  #arena: Uint8Array = new Uint8Array(4096);
  #arenaUsed = 0;
  #arenaDead = 0;
  #free: number[] = [];
  #fresh = 0;
  readonly #heads = new Map<number, number>();
  readonly #onGrow: (capacity: number) => void;
  #key: Uint8Array = new Uint8Array(256);
  #length = 0;
  #hash = 0;

  /** `onGrow` is called whenever `capacity` has grown. */
  constructor(onGrow: (capacity: number) => void) {
    this.#onGrow = onGrow;
  }

  /** Slots from here on were never used. */
  get end(): number {
    return this.#fresh;
  }

  /** Approximate bytes of memory held. */
  get bytes(): number {
    return this.capacity * 40 + this.#arena.length;
  }

  beginKey(): void {
    this.#length = 0;
    this.#hash = 0x811c9dc5 | 0;
  }

  /** Appends a NULL to the key. */
  addNull(): void {
    this.#reserveKey(1);
    this.#addByte(0);
  }

  /** Appends a value's bytes to the key, with their length, so that keys cannot run together. */
  addBytes(bytes: Uint8Array, start: number, end: number): void {
    this.#reserveKey(end - start + 6);
    let rest = end - start + 1;
    for (; rest >= 128; rest >>>= 7) this.#addByte((rest & 127) | 128);
    this.#addByte(rest);
    let hash = this.#hash;
    let at = this.#length;
    const key = this.#key;
    for (let i = start; i < end; i++) {
      const byte = bytes[i] as number;
      key[at++] = byte;
      hash = Math.imul(hash ^ byte, 0x01000193);
    }
    this.#length = at;
    this.#hash = hash;
  }

  /** Appends a value given as text, the same as its UTF-8 bytes. */
  addText(text: string): void {
    const bytes = UTF8.encode(text);
    this.addBytes(bytes, 0, bytes.length);
  }

  /** Takes a whole key as {@link keyOf} gave it. */
  setKey(key: Uint8Array): void {
    this.beginKey();
    this.#reserveKey(key.length);
    for (const byte of key) this.#addByte(byte);
  }

  /** The key as it was named, as a view that is valid until another is. */
  get namedKey(): Uint8Array {
    return this.#key.subarray(0, this.#length);
  }

  /** The slot of the key in the window; made if there is none (`isNew` tells). */
  slot(window: number): number {
    const hash = mix(this.#hash, window);
    const mask = this.#table.length - 1;
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const slot = this.#table[at] as number;
      if (slot === EMPTY) return this.#insert(hash, window, at);
      if (this.#hashes[slot] === hash && this.#isKeyOf(slot, window)) {
        this.isNew = false;
        return slot;
      }
    }
  }

  /** The slot of the key in the window; -1 if there is none. */
  find(window: number): number {
    const hash = mix(this.#hash, window);
    const mask = this.#table.length - 1;
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const slot = this.#table[at] as number;
      if (slot === EMPTY) return -1;
      if (this.#hashes[slot] === hash && this.#isKeyOf(slot, window)) return slot;
    }
  }

  /** Whether the last `slot` call made the slot. */
  isNew = false;

  windowOf(slot: number): number {
    return this.#windows[slot] as number;
  }

  /** The key's bytes, as a view that is valid until the next insertion. */
  keyOf(slot: number): Uint8Array {
    const start = this.#keyStart[slot] as number;
    return this.#arena.subarray(start, start + (this.#keyLength[slot] as number));
  }

  keyGroupOf(slot: number): number {
    return (this.#hashes[slot] as number) >>> 25;
  }

  isUsed(slot: number): boolean {
    return (this.#keyLength[slot] as number) !== EMPTY;
  }

  /** A number that follows from the slot's key and window. */
  hashOf(slot: number): number {
    return this.#hashes[slot] as number;
  }

  /** Lends a slot without a key, which no one finds and nothing saves, as it was when released. */
  reserve(): number {
    return this.#free.pop() ?? this.#freshSlot();
  }

  /** Takes a lent slot back; whoever had it has cleared it. */
  giveBack(slot: number): void {
    this.#free.push(slot);
  }

  /** The windows that have slots, in no order. */
  windows(): IterableIterator<number> {
    return this.#heads.keys();
  }

  /** Frees all slots of a window, telling each to `onFree` while it still has its key. */
  removeWindow(window: number, onFree: (slot: number) => void): void {
    let slot = this.#heads.get(window) ?? EMPTY;
    this.#heads.delete(window);
    while (slot !== EMPTY) {
      onFree(slot);
      this.#release(slot);
      slot = this.#nextInWindow[slot] as number;
    }
    this.#considerCompaction();
  }

  /** Frees one slot. */
  remove(slot: number): void {
    const next = this.#nextInWindow[slot] as number;
    const previous = this.#previousInWindow[slot] as number;
    if (next !== EMPTY) this.#previousInWindow[next] = previous;
    if (previous !== EMPTY) this.#nextInWindow[previous] = next;
    else if (next !== EMPTY) this.#heads.set(this.windowOf(slot), next);
    else this.#heads.delete(this.windowOf(slot));
    this.#release(slot);
    this.#considerCompaction();
  }

  #release(slot: number): void {
    this.#unlink(slot);
    this.#arenaDead += this.#keyLength[slot] as number;
    this.#keyLength[slot] = EMPTY;
    this.#free.push(slot);
    this.size--;
  }

  #considerCompaction(): void {
    if (this.#arenaDead > 65_536 && this.#arenaDead > this.#arenaUsed / 2) this.#compactArena();
  }

  #addByte(byte: number): void {
    this.#key[this.#length++] = byte;
    this.#hash = Math.imul(this.#hash ^ byte, 0x01000193);
  }

  #reserveKey(more: number): void {
    if (this.#length + more <= this.#key.length) return;
    const larger = new Uint8Array((this.#length + more) * 2);
    larger.set(this.#key);
    this.#key = larger;
  }

  #isKeyOf(slot: number, window: number): boolean {
    if (this.#keyLength[slot] !== this.#length) return false;
    const other = this.#windows[slot] as number;
    if (other !== window && !(Number.isNaN(other) && Number.isNaN(window))) return false;
    const start = this.#keyStart[slot] as number;
    for (let i = 0; i < this.#length; i++) {
      if (this.#arena[start + i] !== this.#key[i]) return false;
    }
    return true;
  }

  #insert(hash: number, window: number, at: number): number {
    this.isNew = true;
    const slot = this.#free.pop() ?? this.#freshSlot();
    this.#hashes[slot] = hash;
    this.#windows[slot] = window;
    this.#keyStart[slot] = this.#store();
    this.#keyLength[slot] = this.#length;
    const next = this.#heads.get(window) ?? EMPTY;
    if (next !== EMPTY) this.#previousInWindow[next] = slot;
    this.#nextInWindow[slot] = next;
    this.#previousInWindow[slot] = EMPTY;
    this.#heads.set(window, slot);
    this.size++;
    if (this.size * 2 > this.#table.length) this.#rehash(this.#table.length * 2);
    else this.#table[at] = slot;
    return slot;
  }

  #freshSlot(): number {
    if (this.#fresh === this.capacity) {
      this.capacity *= 2;
      this.#hashes = resized(this.#hashes, new Int32Array(this.capacity));
      this.#windows = resized(this.#windows, new Float64Array(this.capacity));
      this.#keyStart = resized(this.#keyStart, new Float64Array(this.capacity));
      this.#keyLength = resized(this.#keyLength, new Int32Array(this.capacity).fill(EMPTY));
      this.#nextInWindow = resized(this.#nextInWindow, new Int32Array(this.capacity));
      this.#previousInWindow = resized(this.#previousInWindow, new Int32Array(this.capacity));
      this.#onGrow(this.capacity);
    }
    return this.#fresh++;
  }

  #store(): number {
    const start = this.#arenaUsed;
    if (start + this.#length > this.#arena.length) {
      const size = Math.max(this.#arena.length * 2, start + this.#length);
      this.#arena = resized(this.#arena, new Uint8Array(size));
    }
    this.#arena.set(this.#key.subarray(0, this.#length), start);
    this.#arenaUsed = start + this.#length;
    return start;
  }

  #rehash(size: number): void {
    this.#table = new Int32Array(size).fill(EMPTY);
    for (let slot = 0; slot < this.#fresh; slot++) {
      if (!this.isUsed(slot)) continue;
      let at = (this.#hashes[slot] as number) & (size - 1);
      while (this.#table[at] !== EMPTY) at = (at + 1) & (size - 1);
      this.#table[at] = slot;
    }
  }

  /** Takes the slot out of its probe sequence and closes the gap. */
  #unlink(slot: number): void {
    const table = this.#table;
    const mask = table.length - 1;
    let hole = (this.#hashes[slot] as number) & mask;
    while (table[hole] !== slot) {
      assert(table[hole] !== EMPTY, "a used slot is in the table");
      hole = (hole + 1) & mask;
    }
    for (let at = (hole + 1) & mask; table[at] !== EMPTY; at = (at + 1) & mask) {
      const home = (this.#hashes[table[at] as number] as number) & mask;
      if (((at - home) & mask) >= ((at - hole) & mask)) {
        table[hole] = table[at] as number;
        hole = at;
      }
    }
    table[hole] = EMPTY;
  }

  #compactArena(): void {
    const arena = new Uint8Array(Math.max(4096, (this.#arenaUsed - this.#arenaDead) * 2));
    let used = 0;
    for (let slot = 0; slot < this.#fresh; slot++) {
      if (!this.isUsed(slot)) continue;
      const key = this.keyOf(slot);
      arena.set(key, used);
      this.#keyStart[slot] = used;
      used += key.length;
    }
    this.#arena = arena;
    this.#arenaUsed = used;
    this.#arenaDead = 0;
  }
}

/** Mixes the window into the key's hash (the finaliser of MurmurHash3). */
function mix(hash: number, window: number): number {
  let h = hash ^ Math.imul((window / 1000) | 0, 0x9e3779b1);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

function resized<A extends Int32Array | Float64Array | Uint8Array>(from: A, to: A): A {
  to.set(from);
  return to;
}
