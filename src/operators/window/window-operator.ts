import type { OutputOperator } from "../../core/operator.js";
import type { OutputBatch, OutputShape, ResultValue } from "../../core/output.js";
import type { Relation } from "../../core/relation.js";
import type { Rows } from "../../core/rows.js";
import { Timestamp } from "../../core/timestamp.js";
import { ChangedSlots } from "../../state/changed-slots.js";
import { KeyedState } from "../../state/keyed-state.js";
import { StateNumber } from "../../state/state-number.js";
import { StepState } from "../../state/step-state.js";
import { unknownRow } from "../kept-rows.js";
import { AggregateList, type BoundAggregate } from "./aggregate-list.js";
import { Count } from "./aggregates/count.js";
import { RowGroups } from "./row-groups.js";
import { ViewRows, type WindowCells } from "./view-rows.js";
import { windowStart } from "./window-grid.js";

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
  readonly #aggregates: AggregateList;
  readonly #selection: RowGroups;
  readonly #view: ViewRows;
  #relation: Relation | null = null;
  /**
   * Windows that start before this are gone. State of its own: were it drawn from the watermark
   * again, a longer `retain` would let late rows begin windows anew whose earlier rows are
   * forgotten.
   */
  readonly #firstWindow = new StateNumber(Number.NEGATIVE_INFINITY);
  #isRemovalDue = false;
  /** What the sink has is not from this state. */
  #isWhole = false;
  #nextRemovalMs = Number.NEGATIVE_INFINITY;

  constructor(options: WindowOperatorOptions) {
    this.#options = options;
    this.id = options.id;
    this.#rowCounts = options.isRetractable ? new Count() : null;
    const aggregates = new AggregateList(options.aggregates);
    this.#aggregates = aggregates;
    this.#groups = new KeyedState([
      this.#changed,
      ...(this.#rowCounts === null ? [] : [this.#rowCounts]),
      ...aggregates.columns,
    ]);
    this.#selection = new RowGroups(this.#groups, options.keys);
    this.#view = new ViewRows({ shape: options.shape, keyCount: options.keys.length, aggregates });
    this.state = new StepState({
      id: options.id,
      facts: factsOf(options, aggregates),
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
    this.#assign(rows);
    this.#rowCounts?.add(this.#selection.rows, this.#selection.slots, []);
    this.#aggregates.add(this.#selection.rows, this.#selection.slots);
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
    for (const slot of this.#changed.take()) {
      if (this.#isEmpty(slot)) {
        this.#noteGone(slot);
        this.#groups.remove(slot);
        continue;
      }
      const window = this.#groups.windowOf(slot);
      this.#view.put(this.#groups.keyOf(slot), { window, slot, cells: this.#cellsOf(slot) });
    }
    const removeBeforeMs = this.#isRemovalDue ? this.#firstWindow.value : null;
    const isWhole = this.#isWhole;
    this.#isRemovalDue = false;
    this.#isWhole = false;
    return this.#view.take(removeBeforeMs, isWhole);
  }

  resend(): boolean {
    for (let slot = 0; slot < this.#groups.end; slot++) {
      if (this.#groups.isUsed(slot)) this.#changed.mark(slot);
    }
    return this.#groups.size > 0;
  }

  replace(): boolean {
    this.resend();
    this.#isWhole = true;
    return true;
  }

  discard(): void {
    for (const slot of this.#changed.take()) {
      if (this.#isEmpty(slot)) this.#groups.remove(slot);
    }
    this.#view.clear();
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
    this.#view.remove(this.#groups.keyOf(slot), this.#cellsOf(slot));
  }

  #cellsOf(slot: number): WindowCells {
    const { window: bounds } = this.#options;
    if (bounds === null) return NO_CELLS;
    return { names: [timeOf(this.#groups.windowOf(slot), bounds)], others: [] };
  }

  /** Finds each row's slot; leaves out rows whose window is gone. */
  #assign(rows: Rows): void {
    const { eventMs, count } = rows;
    const { window: bounds } = this.#options;
    const firstWindow = this.#firstWindow.value;
    const selection = this.#selection;
    selection.begin(rows);
    for (let k = 0; k < count; k++) {
      const window =
        bounds === null
          ? NO_WINDOW
          : windowStart(eventMs[k] as number, bounds.sizeMs, bounds.offsetMs);
      if (window < firstWindow) {
        this.expiredRows++;
        continue;
      }
      selection.setKey(rows, k);
      const slot = this.#groups.slot(window);
      this.#changed.mark(slot);
      selection.take(rows, k, slot);
    }
  }

  #bind(relation: Relation): void {
    this.#relation = relation;
    this.#selection.bind(relation);
    this.#aggregates.bind(relation);
  }
}

const NO_CELLS: WindowCells = { names: [], others: [] };

/** A window's start as a result; NaN, the window of rows without a time, is NULL. */
function timeOf(window: number, { isLocalTime }: WindowBounds): ResultValue {
  if (Number.isNaN(window)) return null;
  const start = Timestamp.of(window);
  return isLocalTime ? start.toLocalString() : start;
}

/** What the numbers in the state mean; with other facts they would mean something else. */
function factsOf(
  options: WindowOperatorOptions,
  aggregates: AggregateList,
): Record<string, string> {
  const { input, eventTime, shape, keys, window: bounds } = options;
  return {
    input,
    "event time": eventTime,
    keys: keys.map((key, i) => `${key} ${shape.columns[i]?.sqlType}`).join(", "),
    window:
      bounds === null ? "none" : `tumbling, ${bounds.sizeMs} ms, offset ${bounds.offsetMs} ms`,
    rows: options.isRetractable ? "come and leave" : "come",
    aggregates: aggregates.fact,
  };
}
