import { assert } from "../../core/assert.js";
import type { OutputOperator, StateBlock } from "../../core/operator.js";
import type { OutputBatch, OutputShape, ResultValue } from "../../core/output.js";
import { columnIndex, type Relation } from "../../core/relation.js";
import { emptyRows, type Rows } from "../../core/rows.js";
import { Timestamp } from "../../core/timestamp.js";
import { BlockReader, BlockWriter, schemaHash } from "../../state/block.js";
import { GroupTable, KEY_GROUPS } from "../../state/group-table.js";
import type { Aggregate } from "./aggregates/aggregate.js";
import { decodeGroupKey } from "./group-key.js";

/** Block number of the bound below which windows are gone; groups have 0 to 127. */
const BOUND_BLOCK = -1;

/** An aggregate and the column it reads; null for `count(*)`. */
export interface BoundAggregate {
  readonly aggregate: Aggregate;
  readonly column: string | null;
}

/** Settings of {@link WindowOperator}. */
export interface WindowOperatorOptions {
  readonly id: string;
  /** The step it reads from: another filter makes another state. */
  readonly input: string;
  readonly shape: OutputShape;
  /** Group columns of the input, in the order of the shape's group columns. */
  readonly keys: readonly string[];
  readonly sizeMs: number;
  /** Offset of the first window from the Unix epoch, in milliseconds. */
  readonly offsetMs: number;
  /** Whether the window start is printed without a zone. */
  readonly isLocalTime: boolean;
  readonly aggregates: readonly BoundAggregate[];
  /** How long a window stays after its end, by the watermark; null keeps it for ever. */
  readonly retainMs: number | null;
}

/**
 * Tumbling windows by key: a row at event time t belongs to the window that starts at
 * `t - floorMod(t - offset, size)`. NULL and infinite event times form windows of their own, as
 * date_trunc would make them.
 *
 * A window's state lives exactly as long as its row in the result: rows may come as late as they
 * like, until `retain` removes the window. Without `retain` everything is kept, up to the
 * pipeline's `maxStateBytes`.
 */
export class WindowOperator implements OutputOperator {
  readonly id: string;
  /** Rows that came for windows already removed by `retain`. */
  expiredRows = 0;
  readonly #options: WindowOperatorOptions;
  readonly #schemaHash: number;
  readonly #groups: GroupTable;
  readonly #dirtyGroups = new Uint8Array(KEY_GROUPS);
  #slots: Int32Array = new Int32Array(0);
  readonly #narrowed: Rows = emptyRows();
  #changed: Uint8Array;
  #changedSlots: number[] = [];
  #keyColumns: number[] = [];
  #valueColumns: number[] = [];
  #relation: Relation | null = null;
  /** Windows that start before this are gone. */
  #firstWindow = Number.NEGATIVE_INFINITY;
  #isRemovalDue = false;
  #isBoundDirty = false;
  #nextRemovalMs = Number.NEGATIVE_INFINITY;

  constructor(options: WindowOperatorOptions) {
    this.#options = options;
    this.id = options.id;
    this.#schemaHash = schemaHash(
      JSON.stringify([
        options.input,
        options.keys,
        options.sizeMs,
        options.offsetMs,
        options.aggregates.map(({ aggregate, column }) => [
          aggregate.constructor.name,
          aggregate.sqlType,
          column,
        ]),
      ]),
    );
    this.#groups = new GroupTable((capacity) => this.#grow(capacity));
    this.#changed = new Uint8Array(0);
    this.#grow(this.#groups.capacity);
  }

  get stateBytes(): number {
    let perSlot = 1;
    for (const { aggregate } of this.#options.aggregates) perSlot += aggregate.bytesPerSlot;
    return this.#groups.bytes + this.#groups.capacity * perSlot;
  }

  /** Groups in memory: one a key and window. */
  get groupCount(): number {
    return this.#groups.size;
  }

  onRows(rows: Rows): void {
    if (rows.relation !== this.#relation) this.#bind(rows.relation);
    const narrowed = this.#assign(rows);
    this.#options.aggregates.forEach(({ aggregate }, index) => {
      aggregate.add(narrowed, this.#slots, this.#valueColumns[index] as number);
    });
  }

  onWatermark(watermarkMs: number): void {
    const { retainMs, sizeMs, offsetMs } = this.#options;
    if (retainMs === null || watermarkMs < this.#nextRemovalMs) return;
    // Window [s, s + size) goes when s + size <= watermark - retain.
    const first = windowStart(watermarkMs - retainMs, sizeMs, offsetMs);
    if (first > this.#firstWindow) {
      this.#firstWindow = first;
      this.#isRemovalDue = true;
      this.#isBoundDirty = true;
      const gone = [...this.#groups.windows()].filter((window) => window < first);
      for (const window of gone) this.#groups.removeWindow(window, (slot) => this.#free(slot));
    }
    this.#nextRemovalMs = first + sizeMs + retainMs;
  }

  collect(): OutputBatch | null {
    const { shape, keys, aggregates } = this.#options;
    const columns: ResultValue[][] = shape.columns.map(() => []);
    let rowCount = 0;
    for (const slot of this.#changedSlots) {
      if (this.#changed[slot] === 0) continue;
      this.#changed[slot] = 0;
      rowCount++;
      let c = 0;
      for (const key of decodeGroupKey(this.#groups.keyOf(slot), keys.length)) {
        (columns[c++] as ResultValue[]).push(key);
      }
      (columns[c++] as ResultValue[]).push(this.#time(this.#groups.windowOf(slot)));
      for (const { aggregate } of aggregates) {
        (columns[c++] as ResultValue[]).push(aggregate.result(slot));
      }
    }
    this.#changedSlots = [];
    const removeBeforeMs = this.#isRemovalDue ? this.#firstWindow : null;
    this.#isRemovalDue = false;
    if (rowCount === 0 && removeBeforeMs === null) return null;
    return { output: shape.name, rowCount, columns, removeBeforeMs };
  }

  resend(): boolean {
    for (let slot = 0; slot < this.#groups.capacity; slot++) {
      if (this.#groups.isUsed(slot)) this.#markChanged(slot);
    }
    return this.#groups.size > 0;
  }

  discard(): void {
    for (const slot of this.#changedSlots) this.#changed[slot] = 0;
    this.#changedSlots = [];
    this.#isRemovalDue = false;
  }

  saveDirty(): StateBlock[] {
    assert(this.#changedSlots.length === 0, "a checkpoint is taken after its results are");
    const bound = this.#isBoundDirty ? [this.#saveBound()] : [];
    this.#isBoundDirty = false;
    if (!this.#dirtyGroups.includes(1)) return bound;
    const writers = new Map<number, BlockWriter>();
    this.#dirtyGroups.forEach((isDirty, group) => {
      if (isDirty) writers.set(group, new BlockWriter(this.#schemaHash));
    });
    for (let slot = 0; slot < this.#groups.capacity; slot++) {
      if (!this.#groups.isUsed(slot)) continue;
      const out = writers.get(this.#groups.keyGroupOf(slot));
      if (out === undefined) continue;
      out.double(this.#groups.windowOf(slot));
      out.bytes(this.#groups.keyOf(slot));
      for (const { aggregate } of this.#options.aggregates) aggregate.save(slot, out);
    }
    this.#dirtyGroups.fill(0);
    const groups = [...writers].map(([block, out]) => {
      return { operator: this.id, block, bytes: out.finish() };
    });
    return [...bound, ...groups];
  }

  restore(blocks: readonly StateBlock[]): void {
    for (const { block, bytes } of blocks) {
      const from = new BlockReader(bytes, this.#schemaHash, this.id);
      if (block === BOUND_BLOCK) this.#firstWindow = from.double();
      while (!from.isAtEnd) {
        const window = from.double();
        this.#groups.setKey(from.bytes());
        const slot = this.#groups.slot(window);
        for (const { aggregate } of this.#options.aggregates) aggregate.load(slot, from);
      }
    }
  }

  /**
   * Which windows are gone is state of its own: were it drawn from the watermark again, a longer
   * `retain` would let late rows begin windows anew whose earlier rows are forgotten.
   */
  #saveBound(): StateBlock {
    const out = new BlockWriter(this.#schemaHash);
    out.double(this.#firstWindow);
    return { operator: this.id, block: BOUND_BLOCK, bytes: out.finish() };
  }

  /** Finds each row's slot; leaves out rows whose window is gone. */
  #assign(rows: Rows): Rows {
    const { batch, indices, eventMs, count } = rows;
    const { sizeMs, offsetMs } = this.#options;
    const groups = this.#groups;
    const narrowed = this.#narrowed;
    if (this.#slots.length < count) {
      this.#slots = new Int32Array(indices.length);
      narrowed.indices = new Int32Array(indices.length);
    }
    narrowed.batch = batch;
    narrowed.relation = rows.relation;
    let kept = 0;
    for (let k = 0; k < count; k++) {
      const window = windowStart(eventMs[k] as number, sizeMs, offsetMs);
      if (window < this.#firstWindow) {
        this.expiredRows++;
        continue;
      }
      const i = indices[k] as number;
      groups.beginKey();
      for (const column of this.#keyColumns) {
        const cell = (batch.after[i] as number) + 2 * column;
        const start = batch.cells[cell] as number;
        if (start < 0) groups.addNull();
        else groups.addBytes(batch.bytes[i] as Uint8Array, start, batch.cells[cell + 1] as number);
      }
      const slot = groups.slot(window);
      if (this.#changed[slot] === 0) this.#markChanged(slot);
      narrowed.indices[kept] = i;
      this.#slots[kept++] = slot;
    }
    narrowed.count = kept;
    return narrowed;
  }

  #markChanged(slot: number): void {
    if (this.#changed[slot] === 1) return;
    this.#changed[slot] = 1;
    this.#changedSlots.push(slot);
    this.#dirtyGroups[this.#groups.keyGroupOf(slot)] = 1;
  }

  #free(slot: number): void {
    this.#dirtyGroups[this.#groups.keyGroupOf(slot)] = 1;
    this.#changed[slot] = 0;
    for (const { aggregate } of this.#options.aggregates) aggregate.clear(slot);
  }

  #grow(capacity: number): void {
    const changed = new Uint8Array(capacity);
    changed.set(this.#changed);
    this.#changed = changed;
    for (const { aggregate } of this.#options.aggregates) aggregate.grow(capacity);
  }

  #bind(relation: Relation): void {
    this.#relation = relation;
    this.#keyColumns = this.#options.keys.map((name) => columnIndex(relation, name));
    this.#valueColumns = this.#options.aggregates.map(({ column }) =>
      column === null ? -1 : columnIndex(relation, column),
    );
  }

  #time(window: number): ResultValue {
    if (Number.isNaN(window)) return null;
    const time = Timestamp.of(window);
    return this.#options.isLocalTime ? time.toLocalString() : time;
  }
}

/** Start of the window that holds `ms`; NaN and the infinities stay what they are. */
export function windowStart(ms: number, sizeMs: number, offsetMs: number): number {
  return Math.floor((ms - offsetMs) / sizeMs) * sizeMs + offsetMs;
}
