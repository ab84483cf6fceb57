import type { ResultValue } from "../../../core/output.js";
import type { Relation } from "../../../core/relation.js";
import { beginNarrowed, emptyRows, type Rows } from "../../../core/rows.js";
import type { BlockReader, BlockWriter } from "../../../state/block.js";
import type { PassesRow, RowTest } from "../../row-test.js";
import type { Aggregate } from "./aggregate.js";

/** `FILTER (WHERE …)`: an aggregate of the rows that pass a test; the group has the others too. */
export class FilteredAggregate implements Aggregate {
  readonly #inner: Aggregate;
  readonly #test: RowTest;
  readonly #step: string;
  readonly #rows: Rows = emptyRows();
  #slots: Int32Array = new Int32Array(0);
  #relation: Relation | null = null;
  #passes: PassesRow = () => false;

  /** `step` names the test in errors. */
  constructor(inner: Aggregate, test: RowTest, step: string) {
    this.#inner = inner;
    this.#test = test;
    this.#step = step;
  }

  get sqlType(): string {
    return this.#inner.sqlType;
  }

  get bytesPerSlot(): number {
    return this.#inner.bytesPerSlot;
  }

  get heldBytes(): number {
    return this.#inner.heldBytes ?? 0;
  }

  grow(capacity: number): void {
    this.#inner.grow(capacity);
  }

  clear(slot: number): void {
    this.#inner.clear(slot);
  }

  add(rows: Rows, slots: Int32Array, columns: readonly number[]): void {
    if (rows.relation !== this.#relation) {
      this.#passes = this.#test.bind(rows.relation, this.#step);
      this.#relation = rows.relation;
    }
    const passed = this.#rows;
    beginNarrowed(passed, rows);
    if (this.#slots.length < rows.count) this.#slots = new Int32Array(passed.indices.length);
    for (let k = 0; k < rows.count; k++) {
      if (!this.#passes(rows, k)) continue;
      const at = passed.count++;
      passed.indices[at] = rows.indices[k] as number;
      passed.images[at] = rows.images[k] as number;
      this.#slots[at] = slots[k] as number;
    }
    if (passed.count > 0) this.#inner.add(passed, this.#slots, columns);
  }

  merge(slot: number, from: this, fromSlot: number): void {
    this.#inner.merge(slot, from.#inner, fromSlot);
  }

  result(slot: number): ResultValue {
    return this.#inner.result(slot);
  }

  save(slot: number, out: BlockWriter): void {
    this.#inner.save(slot, out);
  }

  load(slot: number, from: BlockReader): void {
    this.#inner.load(slot, from);
  }
}
