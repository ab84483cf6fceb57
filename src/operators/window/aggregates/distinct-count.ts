import type { CellCodec } from "../../../core/cell-codec.js";
import type { Rows } from "../../../core/rows.js";
import type { BlockReader, BlockWriter } from "../../../state/block.js";
import type { Aggregate } from "./aggregate.js";
import { unknownValue } from "./bag-aggregate.js";
import { equalityText } from "./equality-text.js";
import { loadText, saveText } from "./utf8-text.js";

/** Approximate bytes of a value in a map, with its text and count. */
const BYTES_PER_VALUE = 96;

/** `count(distinct column)`, exact: each different value of a group with how often it occurs. */
export class DistinctCount implements Aggregate {
  readonly sqlType = "bigint";
  readonly bytesPerSlot = 8;
  readonly #codec: CellCodec;
  readonly #values = new Map<number, Map<string, number>>();
  #size = 0;

  constructor(codec: CellCodec) {
    this.#codec = codec;
  }

  get heldBytes(): number {
    return this.#size * BYTES_PER_VALUE + this.#values.size * 128;
  }

  grow(): void {}

  clear(slot: number): void {
    this.#size -= this.#values.get(slot)?.size ?? 0;
    this.#values.delete(slot);
  }

  add(rows: Rows, slots: Int32Array, [column = -1]: readonly number[]): void {
    for (let k = 0; k < rows.count; k++) {
      const text = equalityText({ rows, column, codec: this.#codec }, k);
      if (text !== null) this.#count(slots[k] as number, text, rows.weight);
    }
  }

  merge(slot: number, from: this, fromSlot: number): void {
    for (const [text, count] of from.#values.get(fromSlot) ?? []) this.#count(slot, text, count);
  }

  result(slot: number): number {
    return this.#values.get(slot)?.size ?? 0;
  }

  save(slot: number, out: BlockWriter): void {
    const values = this.#values.get(slot);
    out.integer(values?.size ?? 0);
    for (const [text, count] of values ?? []) {
      saveText(text, out);
      out.integer(count);
    }
  }

  load(slot: number, from: BlockReader): void {
    for (let left = from.integer(); left > 0; left--) {
      const text = loadText(from);
      this.#count(slot, text, from.integer());
    }
  }

  #count(slot: number, text: string, more: number): void {
    let values = this.#values.get(slot);
    if (values === undefined) {
      values = new Map();
      this.#values.set(slot, values);
    }
    const known = values.get(text);
    const count = (known ?? 0) + more;
    if (count < 0) throw unknownValue();
    if (count > 0) values.set(text, count);
    else values.delete(text);
    this.#size += Number(count > 0) - Number(known !== undefined);
  }
}
