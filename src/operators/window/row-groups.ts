import type { CellCodec } from "../../core/cell-codec.js";
import { type Column, columnIndex, type Relation } from "../../core/relation.js";
import { beginNarrowed, emptyRows, type Rows } from "../../core/rows.js";
import type { KeyedState } from "../../state/keyed-state.js";

/** Finds the slots of rows by their key columns; keys are PostgreSQL's text of the values. */
export class RowGroups {
  readonly rows: Rows = emptyRows();
  /** By row of `rows`: its slot. */
  slots: Int32Array = new Int32Array(0);
  readonly #groups: KeyedState;
  readonly #keys: readonly string[];
  #columns: { readonly index: number; readonly codec: CellCodec }[] = [];

  constructor(groups: KeyedState, keys: readonly string[]) {
    this.#groups = groups;
    this.#keys = keys;
  }

  /** The next rows are of this version of the table. */
  bind(relation: Relation): void {
    this.#columns = this.#keys.map((name) => {
      const index = columnIndex(relation, name);
      return { index, codec: (relation.columns[index] as Column).codec };
    });
  }

  /** Begins a selection of `from`, to which `take` adds. */
  begin(from: Rows): void {
    beginNarrowed(this.rows, from);
    if (this.slots.length < from.count) this.slots = new Int32Array(this.rows.indices.length);
  }

  /** Names the key of row `k` of `from` to the keyed state. */
  setKey(from: Rows, k: number): void {
    const { batch } = from;
    const groups = this.#groups;
    const bytes = batch.bytes[from.indices[k] as number] as Uint8Array;
    const image = from.images[k] as number;
    groups.beginKey();
    for (const { index, codec } of this.#columns) {
      const cell = image + 2 * index;
      const start = batch.cells[cell] as number;
      const end = batch.cells[cell + 1] as number;
      if (start < 0) groups.addNull();
      else if (codec.canonicalText === undefined) groups.addBytes(bytes, start, end);
      else groups.addText(codec.canonicalText(bytes, start, end));
    }
  }

  /** Adds row `k` of `from` to the selection, as one of `slot`. */
  take(from: Rows, k: number, slot: number): void {
    const { rows } = this;
    const at = rows.count++;
    rows.indices[at] = from.indices[k] as number;
    rows.images[at] = from.images[k] as number;
    this.slots[at] = slot;
  }
}
