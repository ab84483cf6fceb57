import { Batch, NO_IMAGE, NULL_CELL, Op, UNCHANGED_CELL } from "../core/batch.js";
import type { CellCodec } from "../core/cell-codec.js";
import { TidemarkError } from "../core/errors.js";
import { PackedCells } from "../core/packed-cells.js";
import { columnIndex, type Relation } from "../core/relation.js";
import { emptyRows, pushRow, type Rows } from "../core/rows.js";
import { BytesColumn } from "../state/bytes-column.js";
import { KeyedState } from "../state/keyed-state.js";

/** A row to be kept: the new row of change `i`. */
interface Put {
  readonly slot: number;
  readonly batch: Batch;
  readonly i: number;
  /** The packed row before, where unchanged values have to come from it. */
  readonly old: Uint8Array | null;
}

/**
 * The rows of a table as they are now, by replica identity and with only the columns that the
 * pipeline reads: where the log does not carry the old row of an update or delete, it is here.
 *
 * Rows that leave, and rows whose unchanged TOAST values had to be filled in, are laid out in a
 * batch of their own, `left` and `filled`; both are valid until `begin`.
 */
export class KeptRows {
  readonly keyed: KeyedState;
  readonly left: Rows = emptyRows();
  readonly filled: Rows = emptyRows();
  readonly #columns: readonly string[];
  readonly #cells = new BytesColumn();
  readonly #packed = new PackedCells();
  #batch = new Batch(0, 0);
  #relation: Relation | null = null;
  #keys: readonly { readonly index: number; readonly codec: CellCodec }[] = [];
  #kept: readonly number[] = [];

  constructor(columns: readonly string[]) {
    this.#columns = columns;
    this.keyed = new KeyedState([this.#cells]);
    this.left.weight = -1;
    this.begin();
  }

  /** Names of the columns that say which row is which; part of what the state means. */
  static keyOf(relation: Pick<Relation, "columns">): string {
    return relation.columns
      .filter(({ isKey }) => isKey)
      .map(({ name }) => name)
      .join(", ");
  }

  bind(relation: Relation): void {
    this.#relation = relation;
    this.#keys = relation.columns.flatMap(({ isKey, codec }, index) =>
      isKey ? [{ index, codec }] : [],
    );
    this.#kept = this.#columns.map((name) => columnIndex(relation, name));
  }

  /** Forgets the rows of `left` and `filled`. */
  begin(): void {
    if (this.#batch.length > 0) this.#batch = new Batch(64, 1024);
    for (const rows of [this.left, this.filled]) {
      rows.batch = this.#batch;
      rows.count = 0;
    }
  }

  /** Keeps the row that change `i` brings. */
  insert(batch: Batch, i: number): void {
    const slot = this.#slotOf(batch, i, batch.after[i] as number);
    if (!this.keyed.isNew) throw unknownRow(this.#name(), "came in twice");
    this.#put({ slot, batch, i, old: null });
  }

  /**
   * Replaces the row that change `i` updates, which is then the last of `left`. Returns whether
   * values had to be filled in: the new row is then the last of `filled`.
   */
  update(batch: Batch, i: number): boolean {
    const before = batch.before[i] as number;
    const after = batch.after[i] as number;
    const old = this.#find(batch, i, before === NO_IMAGE ? after : before);
    const oldCells = this.#cells.get(old).slice();
    this.#push(this.left, oldCells);
    const isPartial = this.#kept.some((c) => batch.cells[after + 2 * c] === UNCHANGED_CELL);
    this.keyed.remove(old);
    const slot = this.#slotOf(batch, i, after);
    if (!this.keyed.isNew) throw unknownRow(this.#name(), "came in twice");
    this.#put({ slot, batch, i, old: isPartial ? oldCells : null });
    if (isPartial) this.#push(this.filled, this.#cells.get(slot).slice());
    return isPartial;
  }

  /** Forgets the row that change `i` deletes, which is then the last of `left`. */
  delete(batch: Batch, i: number): void {
    const slot = this.#find(batch, i, batch.before[i] as number);
    this.#push(this.left, this.#cells.get(slot).slice());
    this.keyed.remove(slot);
  }

  #find(batch: Batch, i: number, image: number): number {
    this.#key(batch, i, image);
    const slot = this.keyed.find(0);
    if (slot < 0) throw unknownRow(this.#name(), "left that never came in");
    return slot;
  }

  #slotOf(batch: Batch, i: number, image: number): number {
    this.#key(batch, i, image);
    return this.keyed.slot(0);
  }

  #key(batch: Batch, i: number, image: number): void {
    const bytes = batch.bytes[i] as Uint8Array;
    this.keyed.beginKey();
    for (const { index, codec } of this.#keys) {
      const start = batch.cells[image + 2 * index] as number;
      const end = batch.cells[image + 2 * index + 1] as number;
      if (start < 0) this.keyed.addNull();
      else if (codec.canonicalText === undefined) this.keyed.addBytes(bytes, start, end);
      else this.keyed.addText(codec.canonicalText(bytes, start, end));
    }
  }

  /** Packs the kept columns; an unchanged one is taken from `old`, the packed row before. */
  #put({ slot, batch, i, old }: Put): void {
    const image = batch.after[i] as number;
    const packed = this.#packed;
    packed.clear();
    this.#kept.forEach((column, at) => {
      const start = batch.cells[image + 2 * column] as number;
      if (start >= 0) {
        const end = batch.cells[image + 2 * column + 1] as number;
        packed.addBytes(batch.bytes[i] as Uint8Array, start, end);
      } else if (start === UNCHANGED_CELL && old !== null) {
        addPacked(packed, old, at);
      } else {
        packed.addNull();
      }
    });
    this.#cells.set(slot, packed.view);
  }

  /** Lays a packed row out as a change of the batch of one's own. */
  #push(rows: Rows, packed: Uint8Array): void {
    const batch = this.#batch;
    const relation = this.#relation as Relation;
    const count = relation.columns.length;
    const cells = batch.reserveCells(count);
    const image = batch.cellsUsed;
    batch.cellsUsed += 2 * count;
    for (let c = 0; c < count; c++) cells[image + 2 * c] = NULL_CELL;
    let at = 0;
    const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
    for (const column of this.#kept) {
      const length = view.getInt32(at);
      at += 4;
      if (length < 0) continue;
      cells[image + 2 * column] = at;
      at += length;
      cells[image + 2 * column + 1] = at;
    }
    // Codecs read the bytes of a stream, which are Buffers: any other array would print as numbers.
    const bytes = Buffer.from(packed.buffer, packed.byteOffset, packed.byteLength);
    batch.push(Op.update, relation, bytes, image, NO_IMAGE);
    pushRow(rows, batch.length - 1, image);
  }

  #name(): string {
    return this.#relation?.qualifiedName ?? "";
  }
}

/** Copies cell `index` of a packed row. */
function addPacked(to: PackedCells, packed: Uint8Array, index: number): void {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  let at = 0;
  for (let i = 0; i < index; i++) at += 4 + Math.max(0, view.getInt32(at));
  const length = view.getInt32(at);
  if (length < 0) to.addNull();
  else to.addBytes(packed, at + 4, at + 4 + length);
}

/** UNKNOWN_ROW: the stream and what is known of the table do not fit together. */
export function unknownRow(table: string, problem: string): TidemarkError {
  return new TidemarkError(
    "UNKNOWN_ROW",
    `A row of ${table} ${problem}. The publication must send inserts, updates, deletes and ` +
      "truncates, and a filter must give the same answer for the same row. Mend that, then start " +
      "anew with --reset; nothing from that transaction on was acknowledged.",
    { detail: { table } },
  );
}
