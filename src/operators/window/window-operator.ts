import type { CellCodec } from "../../core/cell-codec.js";
import type { OutputOperator } from "../../core/operator.js";
import type { OutputBatch, OutputShape, ResultValue } from "../../core/output.js";
import { type Column, columnIndex, type Relation } from "../../core/relation.js";
import { emptyRows, type Rows } from "../../core/rows.js";
import { Timestamp } from "../../core/timestamp.js";
import { ChangedSlots } from "../../state/changed-slots.js";
import { KeyedState } from "../../state/keyed-state.js";
import { StateNumber } from "../../state/state-number.js";
import { StepState } from "../../state/step-state.js";
import type { Aggregate } from "./aggregates/aggregate.js";
import { decodeGroupKey } from "./group-key.js";

/** An aggregate and the column it reads; null for `count(*)`. */
export interface BoundAggregate {
  /** Name of the function. */
  readonly fn: string;
  readonly aggregate: Aggregate;
  readonly column: string | null;
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
  readonly state: StepState;
  readonly #options: WindowOperatorOptions;
  readonly #groups: KeyedState;
  readonly #changed = new ChangedSlots();
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
  #nextRemovalMs = Number.NEGATIVE_INFINITY;

  constructor(options: WindowOperatorOptions) {
    this.#options = options;
    this.id = options.id;
    this.#groups = new KeyedState([
      this.#changed,
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
    this.#options.aggregates.forEach(({ aggregate }, index) => {
      aggregate.add(narrowed, this.#slots, this.#valueColumns[index] as number);
    });
  }

  onWatermark(watermarkMs: number): void {
    const { retainMs, sizeMs, offsetMs } = this.#options;
    if (retainMs === null || watermarkMs < this.#nextRemovalMs) return;
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

  collect(): OutputBatch | null {
    const { shape, keys, aggregates } = this.#options;
    const columns: ResultValue[][] = shape.columns.map(() => []);
    const slots = this.#changed.take();
    const rowCount = slots.length;
    for (const slot of slots) {
      let c = 0;
      for (const key of decodeGroupKey(this.#groups.keyOf(slot), keys.length)) {
        (columns[c++] as ResultValue[]).push(key);
      }
      (columns[c++] as ResultValue[]).push(this.#time(this.#groups.windowOf(slot)));
      for (const { aggregate } of aggregates) {
        (columns[c++] as ResultValue[]).push(aggregate.result(slot));
      }
    }
    const removeBeforeMs = this.#isRemovalDue ? this.#firstWindow.value : null;
    this.#isRemovalDue = false;
    if (rowCount === 0 && removeBeforeMs === null) return null;
    return { kind: "view", output: shape.name, rowCount, columns, removeBeforeMs };
  }

  resend(): boolean {
    for (let slot = 0; slot < this.#groups.end; slot++) {
      if (this.#groups.isUsed(slot)) this.#changed.mark(slot);
    }
    return this.#groups.size > 0;
  }

  discard(): void {
    this.#changed.take();
    this.#isRemovalDue = false;
  }

  /** Finds each row's slot; leaves out rows whose window is gone. */
  #assign(rows: Rows): Rows {
    const { batch, indices, eventMs, count } = rows;
    const { sizeMs, offsetMs } = this.#options;
    const groups = this.#groups;
    const firstWindow = this.#firstWindow.value;
    const narrowed = this.#narrowed;
    if (this.#slots.length < count) {
      this.#slots = new Int32Array(indices.length);
      narrowed.indices = new Int32Array(indices.length);
    }
    narrowed.batch = batch;
    narrowed.relation = rows.relation;
    narrowed.slice = rows.slice;
    let kept = 0;
    for (let k = 0; k < count; k++) {
      const window = windowStart(eventMs[k] as number, sizeMs, offsetMs);
      if (window < firstWindow) {
        this.expiredRows++;
        continue;
      }
      const i = indices[k] as number;
      groups.beginKey();
      for (const { index, codec } of this.#keyColumns) {
        const cell = (batch.after[i] as number) + 2 * index;
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

  #time(window: number): ResultValue {
    if (Number.isNaN(window)) return null;
    const time = Timestamp.of(window);
    return this.#options.isLocalTime ? time.toLocalString() : time;
  }
}

/** What the numbers in the state mean; with other facts they would mean something else. */
function factsOf(options: WindowOperatorOptions): Record<string, string> {
  const { input, eventTime, shape, keys, sizeMs, offsetMs, aggregates } = options;
  return {
    input,
    "event time": eventTime,
    keys: keys.map((key, i) => `${key} ${shape.columns[i]?.sqlType}`).join(", "),
    window: `tumbling, ${sizeMs} ms, offset ${offsetMs} ms`,
    aggregates: aggregates
      .map(({ fn, column, aggregate }) => `${fn}(${column ?? "*"}) ${aggregate.sqlType}`)
      .join(", "),
  };
}

/** Start of the window that holds `ms`; NaN and the infinities stay what they are. */
export function windowStart(ms: number, sizeMs: number, offsetMs: number): number {
  return Math.floor((ms - offsetMs) / sizeMs) * sizeMs + offsetMs;
}
