import { TidemarkError } from "../../core/errors.js";
import type { OutputOperator } from "../../core/operator.js";
import type { OutputBatch, OutputShape } from "../../core/output.js";
import type { Relation } from "../../core/relation.js";
import type { Rows } from "../../core/rows.js";
import { KeyedState } from "../../state/keyed-state.js";
import { StateNumber } from "../../state/state-number.js";
import { StepState } from "../../state/step-state.js";
import { unknownRow } from "../kept-rows.js";
import { Deadlines } from "../pattern/deadlines.js";
import { AggregateList, type BoundAggregate } from "./aggregate-list.js";
import { Count } from "./aggregates/count.js";
import { type Emission, emissionFact } from "./emission.js";
import type { LateRows } from "./late-rows.js";
import type { PaneList } from "./pane-list.js";
import { PaneLists } from "./pane-lists.js";
import { Partials } from "./partials.js";
import { RowGroups } from "./row-groups.js";
import { SlidingMerge } from "./sliding-merge.js";
import { ViewRows } from "./view-rows.js";
import { type WindowPrint, windowCells } from "./window-cells.js";
import type { WindowGrid } from "./window-grid.js";

/** Settings of {@link GridOperator}. */
export interface GridOperatorOptions {
  readonly id: string;
  /** The step it reads from: another filter makes another state. */
  readonly input: string;
  /** What gives the rows their event time: a column, or the commit. */
  readonly eventTime: string;
  readonly shape: OutputShape;
  /** Group columns of the input, in the order of the shape's group columns. */
  readonly keys: readonly string[];
  readonly grid: WindowGrid;
  readonly print: WindowPrint;
  readonly aggregates: readonly BoundAggregate[];
  readonly isRetractable: boolean;
  readonly emission: Emission;
  /** Takes rows that came too late for a window; null where windows take rows until they go. */
  readonly late: LateRows | null;
}

/** Windows that one collection may give out. */
const MAX_ROWS = 5_000_000;

/**
 * Aggregates by key over windows that overlap: hopping and cumulating ones. A row is added to the
 * pane it lies in and to nothing else, whatever the windows' size; a window is what its panes come
 * to, merged when it is given out. Windows of a key are merged in the order of their ends, each
 * from the one before (`SlidingMerge`).
 *
 * A row in an open pane changes all windows over it. They are given out once at a collection,
 * however often they changed. Where results are given out on close, each window is merged once, at
 * the watermark that closes it: what comes afterwards finds it closed, in whatever steps the
 * results are collected.
 *
 * Rows whose time is NULL or infinite are in no window.
 */
export class GridOperator implements OutputOperator {
  readonly id: string;
  readonly state: StepState;
  /** Rows that came for windows already gone, or without a time. */
  expiredRows = 0;
  readonly #options: GridOperatorOptions;
  readonly #panes: KeyedState;
  readonly #lists: PaneLists;
  readonly #deadlines = new Deadlines();
  readonly #rowCounts = new Count();
  readonly #aggregates: AggregateList;
  readonly #partials: Partials;
  readonly #selection: RowGroups;
  readonly #view: ViewRows;
  readonly #cellsOf: ReturnType<typeof windowCells>;
  /** Windows before this are closed and take no rows. */
  readonly #firstOpen = new StateNumber(Number.NEGATIVE_INFINITY);
  /** Windows before this have left the view. */
  readonly #firstKept = new StateNumber(Number.NEGATIVE_INFINITY);
  /** Up to this time changes have been made due, where that is done at intervals. */
  readonly #ripeMs = new StateNumber(Number.NEGATIVE_INFINITY);
  #nextMs = Number.NEGATIVE_INFINITY;
  #isRemovalDue = false;
  #isWhole = false;
  #relation: Relation | null = null;

  constructor(options: GridOperatorOptions) {
    this.#options = options;
    this.id = options.id;
    const { shape, keys } = options;
    const aggregates = new AggregateList(options.aggregates);
    this.#aggregates = aggregates;
    this.#lists = new PaneLists(
      (capacity) => this.#deadlines.grow(capacity),
      (list, slot) => this.#schedule(list, slot),
    );
    this.#panes = new KeyedState([this.#lists, this.#rowCounts, ...aggregates.columns]);
    this.#lists.attach(this.#panes);
    this.#partials = new Partials({
      panes: this.#panes,
      rowCounts: this.#rowCounts,
      aggregates,
    });
    this.#selection = new RowGroups(this.#panes, keys);
    this.#view = new ViewRows({ shape, keyCount: keys.length, aggregates });
    this.#cellsOf = windowCells(options.print);
    this.state = new StepState({
      id: options.id,
      facts: factsOf(options, aggregates),
      values: [this.#firstOpen, this.#firstKept, this.#ripeMs],
      keyed: this.#panes,
    });
  }

  /** None: a view's rows are made when they are collected. */
  get heldBytes(): number {
    return 0;
  }

  onRows(rows: Rows): void {
    if (rows.relation !== this.#relation) this.#bind(rows.relation);
    this.#assign(rows);
    this.#rowCounts.add(this.#selection.rows, this.#selection.slots, []);
    this.#aggregates.add(this.#selection.rows, this.#selection.slots);
  }

  onWatermark(watermarkMs: number): void {
    if (watermarkMs < this.#nextMs) return;
    const { grid, emission } = this.#options;
    const { early, latenessMs, retainMs } = emission;
    const firstEnding = (ms: number | null): number =>
      ms === null ? Number.NEGATIVE_INFINITY : grid.firstEndingAfter(watermarkMs - ms);
    if (typeof early === "number") this.#ripen(watermarkMs, early);
    const kept = firstEnding(retainMs);
    if (kept > this.#firstKept.value) {
      this.#firstKept.value = kept;
      this.#isRemovalDue = true;
    }
    const open = Math.max(firstEnding(latenessMs), kept);
    if (open > this.#firstOpen.value) {
      const before = this.#firstOpen.value;
      this.#firstOpen.value = open;
      this.#close(before, open);
    }
    this.#nextMs = this.#nextDeadline(watermarkMs);
  }

  onClear(): void {
    const { grid, emission } = this.#options;
    if (emission.early !== null) {
      for (const list of this.#lists.sorted([...this.#lists.all()])) {
        const key = this.#lists.keyOf(list);
        for (const window of windowsOver(list, placesOf(list), grid)) {
          if (window >= this.#firstOpen.value) this.#view.remove(key, this.#cellsOf(window));
        }
      }
    }
    this.#panes.removeAll();
  }

  collect(): OutputBatch | null {
    const { emission } = this.#options;
    if (emission.early === "flush") this.#lists.ripen();
    const { changed } = this.#lists;
    for (const list of emission.early === "flush" ? changed : this.#lists.sorted(changed)) {
      this.#give(list, this.#firstOpen.value, Number.POSITIVE_INFINITY);
    }
    this.#settle();
    const removeBeforeMs = this.#isRemovalDue ? this.#firstKept.value : null;
    const isWhole = this.#isWhole;
    this.#isRemovalDue = false;
    this.#isWhole = false;
    return this.#view.take(removeBeforeMs, isWhole);
  }

  resend(): boolean {
    if (this.#options.emission.early === null) return false;
    this.#lists.markAll();
    this.#lists.ripen();
    return this.#panes.size > 0;
  }

  replace(): boolean {
    this.resend();
    this.#isWhole = true;
    return true;
  }

  discard(): void {
    if (this.#options.emission.early === "flush") this.#lists.ripen();
    this.#settle();
    this.#view.clear();
    this.#isRemovalDue = false;
    this.#isWhole = false;
  }

  /** Finds each row's pane; leaves out rows that no open window takes. */
  #assign(rows: Rows): void {
    const { grid, emission, late } = this.#options;
    const selection = this.#selection;
    const firstOpen = this.#firstOpen.value;
    /** Panes from here on are in no window that has closed. */
    const firstWhole = grid.toOf(firstOpen - grid.stepMs);
    selection.begin(rows);
    for (let k = 0; k < rows.count; k++) {
      const ms = rows.eventMs[k] as number;
      const pane = grid.paneOf(ms);
      if (!(pane >= firstWhole && Number.isFinite(ms))) {
        if (Number.isFinite(ms) && Number.isNaN(pane)) continue;
        late?.add(rows, k);
        if (!(Number.isFinite(ms) && grid.lastOver(pane) >= firstOpen)) {
          this.expiredRows++;
          continue;
        }
      }
      selection.setKey(rows, k);
      const slot = this.#panes.slot(pane);
      if (this.#panes.isNew) this.#lists.add(slot);
      // What was merged already is no longer what it was.
      else if (pane < firstWhole) this.#lists.listOf(slot).version++;
      if (emission.early !== null) this.#lists.mark(slot);
      selection.take(rows, k, slot);
    }
  }

  /** A pane came into a list: its key is looked at when the first window over it closes. */
  #schedule(list: PaneList, slot: number): void {
    const { grid } = this.#options;
    const window = Math.max(grid.firstOver(this.#panes.windowOf(slot)), this.#firstOpen.value);
    this.#deadlines.schedule(list.number, grid.toOf(window));
  }

  #ripen(watermarkMs: number, everyMs: number): void {
    const ripeMs = Math.floor(watermarkMs / everyMs) * everyMs;
    if (!(ripeMs > this.#ripeMs.value)) return;
    this.#ripeMs.value = ripeMs;
    this.#lists.ripen(true);
  }

  /** The next watermark at which something is to be done. */
  #nextDeadline(watermarkMs: number): number {
    const { grid, emission } = this.#options;
    const { early, latenessMs, retainMs } = emission;
    const after = (ms: number | null): number =>
      ms === null
        ? Number.POSITIVE_INFINITY
        : grid.toOf(grid.firstEndingAfter(watermarkMs - ms)) + ms;
    const tick = typeof early === "number" ? this.#ripeMs.value + early : Number.POSITIVE_INFINITY;
    return Math.min(after(latenessMs), after(retainMs), tick);
  }

  /** Gives out what is final, of the windows from `before` up to `open`, and forgets it. */
  #close(before: number, open: number): void {
    const { grid, emission } = this.#options;
    const endMs = grid.toOf(open - grid.stepMs);
    const due: PaneList[] = [];
    while (this.#deadlines.nextMs <= endMs) {
      const list = this.#lists.numbered(this.#deadlines.take());
      if (list !== undefined) due.push(list);
    }
    for (const list of this.#lists.sorted(due)) {
      if (emission.early === null) this.#giveFinal(list, before, open);
      else this.#give(list, before, open);
      this.#forget(list, open);
    }
  }

  /** Removes panes of which all windows are closed. */
  #forget(list: PaneList, open: number): void {
    const { grid } = this.#options;
    while (list.length > 0 && grid.lastOver(list.timeAt(list.begin)) < open) {
      this.#panes.remove(list.slotAt(list.begin));
    }
    if (list.length > 0) this.#schedule(list, list.slotAt(list.begin));
  }

  /** Gives out every window with rows, from `before` up to `open`. */
  #giveFinal(list: PaneList, before: number, open: number): void {
    const { grid } = this.#options;
    list.sliding ??= new SlidingMerge(list, this.#partials);
    let window = Math.max(before, grid.firstOver(list.timeAt(list.begin)));
    while (window < open) {
      this.#giveWindow(list, list.sliding, window);
      window += grid.stepMs;
      const next = list.placeOf(grid.fromOf(window));
      if (next === list.end) return;
      window = Math.max(window, grid.firstOver(list.timeAt(next)));
    }
  }

  /** Gives out the windows over changed panes that are due, from `from` up to `to`. */
  #give(list: PaneList, from: number, to: number): void {
    const { grid } = this.#options;
    const isClosing = to < Number.POSITIVE_INFINITY;
    const places = list.changed
      .filter((slot) => isClosing || this.#lists.isDue(slot))
      .map((slot) => list.placeOf(this.#panes.windowOf(slot)))
      .sort((a, b) => a - b);
    if (places.length === 0) return;
    const sliding = new SlidingMerge(list, this.#partials);
    for (const window of windowsOver(list, places, grid)) {
      if (window >= to) break;
      if (window >= from) this.#giveWindow(list, sliding, window);
    }
    sliding.end();
  }

  #giveWindow(list: PaneList, sliding: SlidingMerge, window: number): void {
    const { grid, emission } = this.#options;
    if (window < this.#firstKept.value) return;
    const slot = this.#partials.take();
    sliding.mergeInto(slot, grid.fromOf(window), grid.toOf(window));
    const rows = this.#partials.rowsOf(slot);
    if (rows < 0) {
      throw unknownRow(this.#relation?.qualifiedName ?? "", "left that never came in");
    }
    const key = this.#lists.keyOf(list);
    if (rows > 0) this.#view.put(key, { window, slot, cells: this.#cellsOf(window) });
    else if (emission.early !== null) this.#view.remove(key, this.#cellsOf(window));
    this.#partials.giveBack(slot);
    if (this.#view.rowCount > MAX_ROWS) throw tooMany(this.id);
  }

  /** What is due has been given out; panes without rows are of no more use. */
  #settle(): void {
    const emptied: number[] = [];
    if (this.#options.isRetractable) {
      for (const { changed } of this.#lists.changed) {
        for (const slot of changed) {
          if (this.#lists.isSettled(slot) && this.#rowCounts.result(slot) === 0) {
            emptied.push(slot);
          }
        }
      }
    }
    this.#lists.settle();
    for (const slot of emptied) this.#panes.remove(slot);
  }

  #bind(relation: Relation): void {
    this.#relation = relation;
    this.#selection.bind(relation);
    this.#aggregates.bind(relation);
  }
}

function placesOf(list: PaneList): number[] {
  return Array.from({ length: list.length }, (_, i) => list.begin + i);
}

/** The windows over the panes at some places of a list, each once; all in ascending order. */
function* windowsOver(
  list: PaneList,
  places: readonly number[],
  grid: WindowGrid,
): Generator<number> {
  let next = Number.NEGATIVE_INFINITY;
  for (const place of places) {
    const pane = list.timeAt(place);
    const last = grid.lastOver(pane);
    next = Math.max(next, grid.firstOver(pane));
    for (; next <= last; next += grid.stepMs) yield next;
  }
}

/** What the numbers in the state mean; with other facts they would mean something else. */
function factsOf(options: GridOperatorOptions, aggregates: AggregateList): Record<string, string> {
  const { input, eventTime, shape, keys, grid, emission } = options;
  return {
    input,
    "event time": eventTime,
    keys: keys.map((key, i) => `${key} ${shape.columns[i]?.sqlType}`).join(", "),
    window: grid.fact,
    emission: emissionFact(emission),
    rows: options.isRetractable ? "come and leave" : "come",
    aggregates: aggregates.fact,
  };
}

function tooMany(step: string): TidemarkError {
  return new TidemarkError(
    "STATE_LIMIT",
    `${step}: more than ${MAX_ROWS} windows changed at once, since each row changes every window ` +
      "over it. Nothing was lost: give results out on close, with .window(..., " +
      '{ emit: "close" }), or let the windows slide less finely.',
    { detail: { step } },
  );
}
