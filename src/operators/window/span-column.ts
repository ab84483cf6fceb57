import type { BlockReader, BlockWriter } from "../../state/block.js";
import type { StateColumn } from "../../state/state-column.js";

/** Of each pane of a session: its last time, and whether the view has a row that begins there. */
export class SpanColumn implements StateColumn {
  readonly bytesPerSlot = 9;
  #lasts: Float64Array = new Float64Array(0);
  #isShown: Uint8Array = new Uint8Array(0);

  lastOf(slot: number): number {
    return this.#lasts[slot] as number;
  }

  setLast(slot: number, micros: number): void {
    this.#lasts[slot] = micros;
  }

  isShown(slot: number): boolean {
    return this.#isShown[slot] === 1;
  }

  setShown(slot: number, isShown: boolean): void {
    this.#isShown[slot] = isShown ? 1 : 0;
  }

  grow(capacity: number): void {
    const lasts = new Float64Array(capacity);
    lasts.set(this.#lasts);
    this.#lasts = lasts;
    const isShown = new Uint8Array(capacity);
    isShown.set(this.#isShown);
    this.#isShown = isShown;
  }

  clear(slot: number): void {
    this.#lasts[slot] = 0;
    this.#isShown[slot] = 0;
  }

  save(slot: number, out: BlockWriter): void {
    out.double(this.#lasts[slot] as number);
    out.integer(this.#isShown[slot] as number);
  }

  load(slot: number, from: BlockReader): void {
    this.#lasts[slot] = from.double();
    this.#isShown[slot] = from.integer();
  }
}
