import type { CellCodec } from "../../../core/cell-codec.js";
import type { ResultValue } from "../../../core/output.js";
import type { Rows } from "../../../core/rows.js";
import type { BlockReader, BlockWriter } from "../../../state/block.js";
import { type Aggregate, grown } from "./aggregate.js";
import { eachValue } from "./each-value.js";

/** `bool_and` and `bool_or`: how many values are true and how many false. */
export class BoolCount implements Aggregate {
  readonly sqlType = "boolean";
  readonly bytesPerSlot = 16;
  readonly #codec: CellCodec;
  readonly #isAnd: boolean;
  #trues: Float64Array = new Float64Array(0);
  #falses: Float64Array = new Float64Array(0);

  constructor(codec: CellCodec, isAnd: boolean) {
    this.#codec = codec;
    this.#isAnd = isAnd;
  }

  grow(capacity: number): void {
    this.#trues = grown(this.#trues, new Float64Array(capacity));
    this.#falses = grown(this.#falses, new Float64Array(capacity));
  }

  clear(slot: number): void {
    this.#trues[slot] = 0;
    this.#falses[slot] = 0;
  }

  add(rows: Rows, slots: Int32Array, [column = -1]: readonly number[]): void {
    eachValue<boolean>({ rows, column, codec: this.#codec }, (k, value) => {
      const counts = value ? this.#trues : this.#falses;
      (counts[slots[k] as number] as number) += rows.weight;
    });
  }

  merge(slot: number, from: this, fromSlot: number): void {
    (this.#trues[slot] as number) += from.#trues[fromSlot] as number;
    (this.#falses[slot] as number) += from.#falses[fromSlot] as number;
  }

  result(slot: number): ResultValue {
    const [trues, falses] = [this.#trues[slot] as number, this.#falses[slot] as number];
    if (trues + falses === 0) return null;
    return this.#isAnd ? falses === 0 : trues > 0;
  }

  save(slot: number, out: BlockWriter): void {
    out.integer(this.#trues[slot] as number);
    out.integer(this.#falses[slot] as number);
  }

  load(slot: number, from: BlockReader): void {
    this.#trues[slot] = from.integer();
    this.#falses[slot] = from.integer();
  }
}
