import type { StateColumn } from "../../state/state-column.js";

/** Entries that no slot needs any more are swept out when they are so many and the greater part. */
const SWEEP_ABOVE = 1024;

/**
 * When each slot has to be looked at next: a binary heap of times. An entry that comes up
 * too early, because the slot's deadline has moved on meanwhile, is put back by its owner; so a
 * deadline that moves later costs nothing until then. Takes part in a keyed state as a column, so
 * that removed slots are forgotten; nothing of it is saved, since it follows from the runs.
 */
export class Deadlines implements StateColumn {
  readonly bytesPerSlot = 8;
  #times: Float64Array = new Float64Array(256);
  #slots: Int32Array = new Int32Array(256);
  #size = 0;
  /** By slot: the time of its entry; Infinity for none. */
  #entryOf: Float64Array = new Float64Array(0);
  /** Slots that have an entry. */
  #scheduled = 0;

  /** The earliest entry's time, Infinity when there is none. */
  get nextMs(): number {
    return this.#size === 0 ? Number.POSITIVE_INFINITY : (this.#times[0] as number);
  }

  get heldBytes(): number {
    return this.#times.length * 12;
  }

  grow(capacity: number): void {
    const larger = new Float64Array(capacity).fill(Number.POSITIVE_INFINITY);
    larger.set(this.#entryOf);
    this.#entryOf = larger;
  }

  clear(slot: number): void {
    if (this.#entryOf[slot] !== Number.POSITIVE_INFINITY) this.#scheduled--;
    this.#entryOf[slot] = Number.POSITIVE_INFINITY;
  }

  save(): void {}

  load(): void {}

  /** Sees to it that the slot comes up at `ms` or earlier. */
  schedule(slot: number, ms: number): void {
    if (!(ms < (this.#entryOf[slot] as number))) return;
    if (this.#entryOf[slot] === Number.POSITIVE_INFINITY) this.#scheduled++;
    this.#entryOf[slot] = ms;
    this.#push(ms, slot);
    if (this.#size > SWEEP_ABOVE && this.#size > 2 * this.#scheduled) this.#sweep();
  }

  /** Takes the earliest entry and returns its slot; -1 when the slot needs it no more. */
  take(): number {
    const ms = this.#times[0] as number;
    const slot = this.#slots[0] as number;
    this.#pop();
    if (this.#entryOf[slot] !== ms) return -1;
    this.clear(slot);
    return slot;
  }

  #sweep(): void {
    const times = this.#times;
    const slots = this.#slots;
    const size = this.#size;
    this.#size = 0;
    this.#times = new Float64Array(Math.max(256, 2 * this.#scheduled));
    this.#slots = new Int32Array(this.#times.length);
    for (let i = 0; i < size; i++) {
      const slot = slots[i] as number;
      if (this.#entryOf[slot] === times[i]) this.#push(times[i] as number, slot);
    }
  }

  #push(ms: number, slot: number): void {
    if (this.#size === this.#times.length) this.#enlarge();
    let at = this.#size++;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      if ((this.#times[parent] as number) <= ms) break;
      this.#times[at] = this.#times[parent] as number;
      this.#slots[at] = this.#slots[parent] as number;
      at = parent;
    }
    this.#times[at] = ms;
    this.#slots[at] = slot;
  }

  #pop(): void {
    const size = --this.#size;
    const ms = this.#times[size] as number;
    const slot = this.#slots[size] as number;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      if (child >= size) break;
      const isRightLess = (this.#times[child + 1] as number) < (this.#times[child] as number);
      if (child + 1 < size && isRightLess) child++;
      if ((this.#times[child] as number) >= ms) break;
      this.#times[at] = this.#times[child] as number;
      this.#slots[at] = this.#slots[child] as number;
      at = child;
    }
    this.#times[at] = ms;
    this.#slots[at] = slot;
  }

  #enlarge(): void {
    const times = new Float64Array(this.#size * 2);
    const slots = new Int32Array(this.#size * 2);
    times.set(this.#times);
    slots.set(this.#slots);
    this.#times = times;
    this.#slots = slots;
  }
}
