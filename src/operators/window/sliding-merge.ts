import type { PaneList } from "./pane-list.js";
import type { Partials } from "./partials.js";

/** Up to so many panes are merged one by one. */
const FEW = 4;

/**
 * The merged contents of consecutive panes of a key, over a range that only moves forward: two
 * stacks. In front, each pane is merged with all behind it up to the middle, so that panes leave
 * by dropping the first of them; from the middle on there is one sum that grows. When the front is
 * used up it is made anew from the panes in the range. So a pane is merged three times however long
 * the range is, and in the order of time.
 */
export class SlidingMerge {
  readonly #list: PaneList;
  readonly #partials: Partials;
  #version: number;
  #low: number;
  #middle: number;
  #high: number;
  /** Slots of the front, the last one first. */
  #front: number[] = [];
  #back: number | null = null;

  constructor(list: PaneList, partials: Partials) {
    this.#list = list;
    this.#partials = partials;
    this.#version = list.version;
    this.#low = list.begin;
    this.#middle = this.#low;
    this.#high = this.#low;
  }

  /** Merges the panes with `from` <= time < `to` into the empty slot `into`. */
  mergeInto(into: number, from: number, to: number): void {
    const list = this.#list;
    if (this.#version !== list.version) this.#reset();
    this.#advanceLow(from);
    this.#advanceHigh(to);
    if (this.#front.length > 0) {
      this.#partials.merge(into, this.#front.at(-1) as number);
      if (this.#back !== null) this.#partials.merge(into, this.#back);
      return;
    }
    for (let at = this.#low; at < this.#high; at++) this.#partials.merge(into, list.slotAt(at));
  }

  /** Gives all slots back. */
  end(): void {
    for (const slot of this.#front) this.#partials.giveBack(slot);
    this.#front = [];
    if (this.#back !== null) this.#partials.giveBack(this.#back);
    this.#back = null;
  }

  #advanceLow(from: number): void {
    const list = this.#list;
    let low = Math.max(this.#low, list.begin);
    if (low < list.end && list.timeAt(low) < from) low = this.#placeFrom(low, from);
    for (let left = low - this.#low; left > 0 && this.#front.length > 0; left--) {
      this.#partials.giveBack(this.#front.pop() as number);
    }
    this.#low = low;
    if (low < this.#middle) return;
    this.end();
    this.#middle = low;
    this.#high = Math.max(this.#high, low);
  }

  #advanceHigh(to: number): void {
    const list = this.#list;
    for (; this.#high < list.end && list.timeAt(this.#high) < to; this.#high++) {
      if (this.#front.length === 0) continue;
      this.#back ??= this.#partials.take();
      this.#partials.merge(this.#back, list.slotAt(this.#high));
    }
    if (this.#front.length === 0 && this.#high - this.#low > FEW) this.#flip();
  }

  /** Steps are usually short. */
  #placeFrom(low: number, from: number): number {
    const list = this.#list;
    const near = Math.min(list.end, low + FEW);
    let at = low;
    while (at < near && list.timeAt(at) < from) at++;
    return at < near ? at : Math.max(at, list.placeOf(from));
  }

  /** Makes the whole range the front. */
  #flip(): void {
    let behind: number | null = null;
    for (let at = this.#high - 1; at >= this.#low; at--) {
      const slot = this.#partials.take();
      this.#partials.merge(slot, this.#list.slotAt(at));
      if (behind !== null) this.#partials.merge(slot, behind);
      this.#front.push(slot);
      behind = slot;
    }
    this.#middle = this.#high;
  }

  #reset(): void {
    this.end();
    this.#version = this.#list.version;
    this.#low = this.#list.begin;
    this.#middle = this.#low;
    this.#high = this.#low;
  }
}
