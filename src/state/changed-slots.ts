import type { StateColumn } from "./state-column.js";

/**
 * Which slots changed since they were last taken, for operators whose results are collected. Takes
 * part in a keyed state as a column, so that removed slots are left out; nothing of it is saved.
 */
export class ChangedSlots implements StateColumn {
  readonly bytesPerSlot = 1;
  #isChanged: Uint8Array = new Uint8Array(0);
  #slots: number[] = [];

  mark(slot: number): void {
    if (this.#isChanged[slot] === 1) return;
    this.#isChanged[slot] = 1;
    this.#slots.push(slot);
  }

  /** The slots, each once, in the order in which they changed first; none are left. */
  take(): number[] {
    const slots = this.#slots.filter((slot) => {
      const isChanged = this.#isChanged[slot] === 1;
      this.#isChanged[slot] = 0;
      return isChanged;
    });
    this.#slots = [];
    return slots;
  }

  grow(capacity: number): void {
    const larger = new Uint8Array(capacity);
    larger.set(this.#isChanged);
    this.#isChanged = larger;
  }

  clear(slot: number): void {
    this.#isChanged[slot] = 0;
  }

  save(): void {}

  load(): void {}
}
