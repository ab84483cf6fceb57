import type { CellCodec } from "../../core/cell-codec.js";
import type { OutputOperator } from "../../core/operator.js";
import type { OutputBatch, OutputShape, ResultValue } from "../../core/output.js";
import { type Column, columnIndex, type Relation } from "../../core/relation.js";
import { beginNarrowed, emptyRows, type Rows } from "../../core/rows.js";
import { Timestamp } from "../../core/timestamp.js";
import { ChangedSlots } from "../../state/changed-slots.js";
import { KeyedState } from "../../state/keyed-state.js";
import { StateNumber } from "../../state/state-number.js";
import { StepState } from "../../state/step-state.js";
import { unknownRow } from "../kept-rows.js";
import type { Aggregate } from "./aggregates/aggregate.js";
import { Count } from "./aggregates/count.js";
import { decodeGroupKey } from "./group-key.js";

/** An aggregate and the column it reads; null for `count(*)`. */
export interface BoundAggregate {
  /** Name of the function. */
  readonly fn: string;
  readonly aggregate: Aggregate;
  readonly column: string | null;
}

/** Windows of one size that follow each other. */
export interface WindowBounds {
  readonly sizeMs: number;
  /** Offset of the first window from the Unix epoch, in milliseconds. */
  readonly offsetMs: number;
  /** Whether the window start is printed without a zone. */
  readonly isLocalTime: boolean;
  /** How long a window stays after its end, by the watermark; null keeps it for ever. */
  readonly retainMs: number | null;
}

/** Settings of {@link WindowOperator}. */
export interface WindowOperatorOptions {
  readonly id: string;
  /** The step it reads from: another filter makes another state. */
  readonly input: string;
  /** What gives the rows their event time: a column, or the commit. */
  readonly eventTime: string;
  readonly shape: OutputShape;
  /** Group columns of the input, in the order of the shape's group columns. */
  readonly keys: readonly string[];
  /** Null: one group a key, over all rows. */
  readonly window: WindowBounds | null;
  readonly aggregates: readonly BoundAggregate[];
  /** Whether rows leave again, so that groups can become empty. */
  readonly isRetractable: boolean;
}

/** The window of a group without windows. */
const NO_WINDOW = 0;

/**
 * Aggregates by key and tumbling window, or by key alone. A row at event time t belongs to the
 * window that starts at `t - floorMod(t - offset, size)`. NULL and infinite event times form
 * windows of their own, as date_trunc would make them.
 *
 * A group's state lives exactly as long as its row in the result: rows may come as late as they
 * like, until `retain` removes the window, and a group whose last row has left is removed. Without
 * `retain` everything else is kept, up to the pipeline's `maxStateBytes`.
 */
export class WindowOperator implements OutputOperator {
  readonly id: string;
  /** Rows that came for windows already removed by `retain`. */
  expiredRows = 0;
  readonly state: StepState;
  readonly #options: WindowOperatorOptions;
  readonly #groups: KeyedState;
  readonly #changed = new ChangedSlots();
  /** Rows of each group; only where rows leave. */
  readonly #rowCounts: Count | null;
  #slots: Int32Array = new Int32Array(0);
  readonly #narrowed: Rows = emptyRows();
  #keyColumns: { readonly index: number; readonly codec: CellCodec }[] = [];
  #valueColumns: number[] = [];
  #relation: Relation | null = null;
  /**
   * Windows that start before this are gone. State of its own: were it drawn from the watermark
   * again, a longer `retain` would let late rows begin windows anew whose earlier rows are
   * forgotten.
   */
  readonly #firstWindow = new StateNumber(Number.NEGATIVE_INFINITY);
  #isRemovalDue = false;
  /** Keys of groups whose rows are gone since the last collection, a list a key column. */
  #gone: ResultValue[][] | null = null;
  /** What the sink has is not from this state. */
  #isWhole = false;
  #nextRemovalMs = Number.NEGATIVE_INFINITY;

  constructor(options: WindowOperatorOptions) {
    this.#options = options;
    this.id = options.id;
    this.#rowCounts = options.isRetractable ? new Count() : null;
    this.#groups = new KeyedState([
      this.#changed,
      ...(this.#rowCounts === null ? [] : [this.#rowCounts]),
      ...options.aggregates.map(({ aggregate }) => aggregate),
    ]);
    this.state = new StepState({
      id: options.id,
      facts: factsOf(options),
      values: [this.#firstWindow],
      keyed: this.#groups,
    });
  }

  /** None: a view's rows are made when they are collected. */
  get heldBytes(): number {
    return 0;
  }

  onRows(rows: Rows): void {
    if (rows.relation !== this.#relation) this.#bind(rows.relation);
    const narrowed = this.#assign(rows);
    this.#rowCounts?.add(narrowed, this.#slots, -1);
    this.#options.aggregates.forEach(({ aggregate }, index) => {
      aggregate.add(narrowed, this.#slots, this.#valueColumns[index] as number);
    });
  }

  onWatermark(watermarkMs: number): void {
    const { window: bounds } = this.#options;
    if (bounds === null || bounds.retainMs === null || watermarkMs < this.#nextRemovalMs) return;
    const { retainMs, sizeMs, offsetMs } = bounds;
    // Window [s, s + size) goes when s + size <= watermark - retain.
    const first = windowStart(watermarkMs - retainMs, sizeMs, offsetMs);
    if (first > this.#firstWindow.value) {
      this.#firstWindow.value = first;
      this.#isRemovalDue = true;
      const gone = [...this.#groups.windows()].filter((window) => window < first);
      for (const window of gone) this.#groups.removeWindow(window);
    }
    this.#nextRemovalMs = first + sizeMs + retainMs;
  }

  onClear(): void {
    for (let slot = 0; slot < this.#groups.end; slot++) {
      if (this.#groups.isUsed(slot)) this.#noteGone(slot);
    }
    this.#groups.removeAll();
  }

  collect(): OutputBatch | null {
    const { shape, aggregates } = this.#options;
    const columns: ResultValue[][] = shape.columns.map(() => []);
    let rowCount = 0;
    for (const slot of this.#changed.take()) {
      if (this.#isEmpty(slot)) {
        this.#noteGone(slot);
        this.#groups.remove(slot);
        continue;
      }
      rowCount++;
      let c = this.#pushKey(slot, columns);
      for (const { aggregate } of aggregates) {
        (columns[c++] as ResultValue[]).push(aggregate.result(slot));
      }
    }
    const removeBeforeMs = this.#isRemovalDue ? this.#firstWindow.value : null;
    const isWhole = this.#isWhole;
    this.#isRemovalDue = false;
    this.#isWhole = false;
    const gone = this.#gone;
    this.#gone = null;
    const isNothing = rowCount === 0 && gone === null && removeBeforeMs === null;
    if (isNothing && !isWhole) return null;
    return { kind: "view", output: shape.name, rowCount, columns, gone, removeBeforeMs, isWhole };
  }

  resend(): boolean {
    for (let slot = 0; slot < this.#groups.end; slot++) {
      if (this.#groups.isUsed(slot)) this.#changed.mark(slot);
    }
    return this.#groups.size > 0;
  }

  replace(): void {
    this.resend();
    this.#isWhole = true;
  }

  discard(): void {
    for (const slot of this.#changed.take()) {
      if (this.#isEmpty(slot)) this.#groups.remove(slot);
    }
    this.#gone = null;
    this.#isRemovalDue = false;
    this.#isWhole = false;
  }

  #isEmpty(slot: number): boolean {
    const count = this.#rowCounts?.result(slot) ?? 1;
    if (count < 0) throw unknownRow(this.#relation?.qualifiedName ?? "", "left that never came in");
    return count === 0;
  }

  /** The group's row has to leave the result. */
  #noteGone(slot: number): void {
    const { columns } = this.#options.shape;
    this.#gone ??= columns.filter(({ role }) => role !== "value").map(() => []);
    this.#pushKey(slot, this.#gone);
  }

  /** Appends the group's key and window start; returns how many columns that were. */
  #pushKey(slot: number, columns: ResultValue[][]): number {
    const { keys, window: bounds } = this.#options;
    let c = 0;
    for (const key of decodeGroupKey(this.#groups.keyOf(slot), keys.length)) {
      (columns[c++] as ResultValue[]).push(key);
    }
    if (bounds === null) return c;
    (columns[c++] as ResultValue[]).push(timeOf(this.#groups.windowOf(slot), bounds));
    return c;
  }

  /** Finds each row's slot; leaves out rows whose window is gone. */
  #assign(rows: Rows): Rows {
    const { batch, indices, images, eventMs, count } = rows;
    const { window: bounds } = this.#options;
    const groups = this.#groups;
    const firstWindow = this.#firstWindow.value;
    const narrowed = this.#narrowed;
    beginNarrowed(narrowed, rows);
    if (this.#slots.length < count) this.#slots = new Int32Array(narrowed.indices.length);
    let kept = 0;
    for (let k = 0; k < count; k++) {
      const window =
        bounds === null
          ? NO_WINDOW
          : windowStart(eventMs[k] as number, bounds.sizeMs, bounds.offsetMs);
      if (window < firstWindow) {
        this.expiredRows++;
        continue;
      }
      const i = indices[k] as number;
      const image = images[k] as number;
      groups.beginKey();
      for (const { index, codec } of this.#keyColumns) {
        const cell = image + 2 * index;
        const start = batch.cells[cell] as number;
        const end = batch.cells[cell + 1] as number;
        const bytes = batch.bytes[i] as Uint8Array;
        if (start < 0) groups.addNull();
        else if (codec.canonicalText === undefined) groups.addBytes(bytes, start, end);
        else groups.addText(codec.canonicalText(bytes, start, end));
      }
      const slot = groups.slot(window);
      this.#changed.mark(slot);
      narrowed.indices[kept] = i;
      narrowed.images[kept] = image;
      this.#slots[kept++] = slot;
    }
    narrowed.count = kept;
    return narrowed;
  }

  #bind(relation: Relation): void {
    this.#relation = relation;
    this.#keyColumns = this.#options.keys.map((name) => {
      const index = columnIndex(relation, name);
      return { index, codec: (relation.columns[index] as Column).codec };
    });
    this.#valueColumns = this.#options.aggregates.map(({ column }) =>
      column === null ? -1 : columnIndex(relation, column),
    );
  }
}

/** A window's start as a result; NaN, the window of rows without a time, is NULL. */
function timeOf(window: number, { isLocalTime }: WindowBounds): ResultValue {
  if (Number.isNaN(window)) return null;
  const start = Timestamp.of(window);
  return isLocalTime ? start.toLocalString() : start;
}

/** What the numbers in the state mean; with other facts they would mean something else. */
function factsOf(options: WindowOperatorOptions): Record<string, string> {
  const { input, eventTime, shape, keys, window: bounds, aggregates } = options;
  return {
    input,
    "event time": eventTime,
    keys: keys.map((key, i) => `${key} ${shape.columns[i]?.sqlType}`).join(", "),
    window:
      bounds === null ? "none" : `tumbling, ${bounds.sizeMs} ms, offset ${bounds.offsetMs} ms`,
    rows: options.isRetractable ? "come and leave" : "come",
    aggregates: aggregates
      .map(({ fn, column, aggregate }) => `${fn}(${column ?? "*"}) ${aggregate.sqlType}`)
      .join(", "),
  };
}

/** Start of the window that holds `ms`; NaN and the infinities stay what they are. */
export function windowStart(ms: number, sizeMs: number, offsetMs: number): number {
  return Math.floor((ms - offsetMs) / sizeMs) * sizeMs + offsetMs;
}
