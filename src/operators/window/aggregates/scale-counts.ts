import type { BlockReader, BlockWriter } from "../../../state/block.js";

/** How often each decimal scale occurs among the values of a slot. */
export class ScaleCounts {
  readonly #slots = new Map<number, Map<number, number>>();

  /** Approximate bytes held. */
  get bytes(): number {
    return this.#slots.size * 160;
  }

  /** `count` values of this scale came; they left if it is negative. */
  add(slot: number, scale: number, count: number): void {
    let counts = this.#slots.get(slot);
    if (counts === undefined) {
      counts = new Map();
      this.#slots.set(slot, counts);
    }
    const sum = (counts.get(scale) ?? 0) + count;
    if (sum === 0) counts.delete(scale);
    else counts.set(scale, sum);
  }

  merge(slot: number, from: ScaleCounts, fromSlot: number): void {
    for (const [scale, count] of from.#slots.get(fromSlot) ?? []) this.add(slot, scale, count);
  }

  /** The greatest scale; 0 where there is no value. */
  greatest(slot: number): number {
    let greatest = 0;
    for (const scale of this.#slots.get(slot)?.keys() ?? []) greatest = Math.max(greatest, scale);
    return greatest;
  }

  clear(slot: number): void {
    this.#slots.delete(slot);
  }

  save(slot: number, out: BlockWriter): void {
    const counts = this.#slots.get(slot);
    out.integer(counts?.size ?? 0);
    for (const [scale, count] of counts ?? []) {
      out.integer(scale);
      out.integer(count);
    }
  }

  load(slot: number, from: BlockReader): void {
    for (let left = from.integer(); left > 0; left--) {
      const scale = from.integer();
      const counts = this.#slots.get(slot) ?? new Map<number, number>();
      counts.set(scale, from.integer());
      this.#slots.set(slot, counts);
    }
  }
}
