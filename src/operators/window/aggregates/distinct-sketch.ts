import type { CellCodec } from "../../../core/cell-codec.js";
import type { Rows } from "../../../core/rows.js";
import type { BlockReader, BlockWriter } from "../../../state/block.js";
import type { Aggregate } from "./aggregate.js";
import { equalityText } from "./equality-text.js";
import { hash32 } from "./hash32.js";

/** Index bits of a hash: 2^12 registers, a standard error of 1.04 / 64, which is 1.6 %. */
const INDEX_BITS = 12;
const REGISTERS = 1 << INDEX_BITS;
const RANK_BITS = 64 - INDEX_BITS;
/** Below this many registers a map of those that are set is smaller than all of them. */
const SPARSE = 128;
const UTF8 = new TextEncoder();

/** Registers that are set, or all of them. */
type Registers = Map<number, number> | Uint8Array;

/**
 * HyperLogLog (Flajolet et al., 2007) with Ertl's estimator (2017), which needs no tables and no
 * switch for small counts: at most 4 KiB a group. A register only remembers the rarest hash it has
 * seen, so that no value can leave again.
 */
export class DistinctSketch implements Aggregate {
  readonly sqlType = "bigint";
  readonly bytesPerSlot = 8;
  readonly #codec: CellCodec;
  readonly #registers = new Map<number, Registers>();
  #dense = 0;

  constructor(codec: CellCodec) {
    this.#codec = codec;
  }

  get heldBytes(): number {
    return this.#registers.size * SPARSE * 8 + this.#dense * REGISTERS;
  }

  grow(): void {}

  clear(slot: number): void {
    if (this.#registers.get(slot) instanceof Uint8Array) this.#dense--;
    this.#registers.delete(slot);
  }

  add(rows: Rows, slots: Int32Array, [column = -1]: readonly number[]): void {
    for (let k = 0; k < rows.count; k++) {
      const text = equalityText({ rows, column, codec: this.#codec }, k);
      if (text === null) continue;
      const bytes = UTF8.encode(text);
      const [high, low] = [hash32(bytes, 0), hash32(bytes, 0x5bd1e995)];
      this.#raise(slots[k] as number, high >>> (32 - INDEX_BITS), rankOf(high, low));
    }
  }

  merge(slot: number, from: this, fromSlot: number): void {
    const other = from.#registers.get(fromSlot);
    for (const [index, rank] of other?.entries() ?? [])
      if (rank > 0) this.#raise(slot, index, rank);
  }

  result(slot: number): number {
    const counts = new Float64Array(RANK_BITS + 2);
    const registers = this.#registers.get(slot);
    let set = 0;
    for (const rank of registers?.values() ?? []) {
      if (rank === 0) continue;
      (counts[rank] as number)++;
      set++;
    }
    counts[0] = REGISTERS - set;
    return Math.round(estimate(counts));
  }

  save(slot: number, out: BlockWriter): void {
    const set = [...(this.#registers.get(slot)?.entries() ?? [])].filter(([, rank]) => rank > 0);
    out.integer(set.length);
    for (const [index, rank] of set) {
      out.integer(index);
      out.integer(rank);
    }
  }

  load(slot: number, from: BlockReader): void {
    for (let left = from.integer(); left > 0; left--) {
      this.#raise(slot, from.integer(), from.integer());
    }
  }

  #raise(slot: number, index: number, rank: number): void {
    const registers = this.#registers.get(slot);
    if (registers === undefined) {
      this.#registers.set(slot, new Map([[index, rank]]));
    } else if (registers instanceof Uint8Array) {
      if (rank > (registers[index] as number)) registers[index] = rank;
    } else if (rank > (registers.get(index) ?? 0)) {
      registers.set(index, rank);
      if (registers.size > SPARSE) this.#spread(slot, registers);
    }
  }

  #spread(slot: number, registers: ReadonlyMap<number, number>): void {
    const all = new Uint8Array(REGISTERS);
    for (const [index, rank] of registers) all[index] = rank;
    this.#registers.set(slot, all);
    this.#dense++;
  }
}

/** Place of the first bit that is set behind the index bits, from 1. */
function rankOf(high: number, low: number): number {
  const rest = (high << INDEX_BITS) >>> 0;
  if (rest !== 0) return Math.clz32(rest) + 1;
  return 32 - INDEX_BITS + Math.clz32(low) + 1;
}

/** Ertl's improved raw estimator; `counts[r]` registers have rank r. */
function estimate(counts: Float64Array): number {
  let z = REGISTERS * tau(1 - (counts[RANK_BITS + 1] as number) / REGISTERS);
  for (let rank = RANK_BITS; rank >= 1; rank--) z = (z + (counts[rank] as number)) / 2;
  z += REGISTERS * sigma((counts[0] as number) / REGISTERS);
  return (REGISTERS * REGISTERS) / (2 * Math.LN2 * z);
}

function sigma(share: number): number {
  if (share === 1) return Number.POSITIVE_INFINITY;
  let [x, y, z] = [share, 1, share];
  for (let before = Number.NaN; z !== before; y += y) {
    x *= x;
    before = z;
    z += x * y;
  }
  return z;
}

function tau(share: number): number {
  if (share === 0 || share === 1) return 0;
  let [x, y, z] = [share, 1, 1 - share];
  for (let before = Number.NaN; z !== before; ) {
    x = Math.sqrt(x);
    before = z;
    y /= 2;
    z -= (1 - x) ** 2 * y;
  }
  return z / 3;
}
