import type { SlidingMerge } from "./sliding-merge.js";

/** Panes gone from the front are kept in the arrays up to so many, or up to half of them. */
const SLACK = 64;

/**
 * The panes of one key, by time. Places are counted from the first pane there ever was, so that
 * they stay when panes leave at the front.
 */
export class PaneList {
  readonly number: number;
  /** Follows from the key. */
  readonly hash: number;
  /** Slots of panes that changed. */
  changed: number[] = [];
  /** What was merged for the last window, where that is kept. */
  sliding: SlidingMerge | null = null;
  /** Differs when places or contents behind the front are no longer what they were. */
  version = 0;
  #slots: number[] = [];
  #times: number[] = [];
  /** Place of the arrays' first entry. */
  #shift = 0;
  /** Entries before this are gone. */
  #begin = 0;

  constructor(number: number, hash: number) {
    this.number = number;
    this.hash = hash;
  }

  get length(): number {
    return this.#slots.length - this.#begin;
  }

  /** Place of the first pane. */
  get begin(): number {
    return this.#shift + this.#begin;
  }

  /** Place behind the last pane. */
  get end(): number {
    return this.#shift + this.#slots.length;
  }

  slotAt(place: number): number {
    return this.#slots[place - this.#shift] as number;
  }

  timeAt(place: number): number {
    return this.#times[place - this.#shift] as number;
  }

  /** Place of the first pane at `time` or later. */
  placeOf(time: number): number {
    let low = this.#begin;
    let high = this.#times.length;
    if (low < high && (this.#times[high - 1] as number) < time) return this.end;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#times[middle] as number) < time) low = middle + 1;
      else high = middle;
    }
    return this.#shift + low;
  }

  insert(slot: number, time: number): void {
    const place = this.placeOf(time);
    if (place === this.end) {
      this.#slots.push(slot);
      this.#times.push(time);
      return;
    }
    this.version++;
    this.#slots.splice(place - this.#shift, 0, slot);
    this.#times.splice(place - this.#shift, 0, time);
  }

  remove(slot: number, time: number): void {
    const place = this.placeOf(time);
    if (this.slotAt(place) !== slot) throw new Error("a pane is in its list");
    if (place > this.begin) {
      this.version++;
      this.#slots.splice(place - this.#shift, 1);
      this.#times.splice(place - this.#shift, 1);
      return;
    }
    this.#begin++;
    if (this.#begin < SLACK || this.#begin < this.#slots.length / 2) return;
    this.#slots = this.#slots.slice(this.#begin);
    this.#times = this.#times.slice(this.#begin);
    this.#shift += this.#begin;
    this.#begin = 0;
  }
}
