import type { OutputOperator } from "../../core/operator.js";
import type { OutputBatch } from "../../core/output.js";
import type { Rows } from "../../core/rows.js";
import { StateNumber } from "../../state/state-number.js";
import { StepState } from "../../state/step-state.js";
import { EventPanes, type EventWindowOptions } from "./event-panes.js";
import type { PaneList } from "./pane-list.js";
import { SlidingMerge } from "./sliding-merge.js";

/** Settings of {@link SlidingOperator}. */
export interface SlidingOperatorOptions extends EventWindowOptions {
  /** How far back a result reaches, in milliseconds, both ends included. */
  readonly rangeMs: number;
}

/**
 * Aggregates over the time up to each row: `OVER (PARTITION BY keys ORDER BY time RANGE BETWEEN
 * range PRECEDING AND CURRENT ROW)`. Rows of one key and time are peers and have one result, so
 * the view has a row a key and time. A change at one time changes the results up to `range` later,
 * which are given out once at a collection.
 */
export class SlidingOperator implements OutputOperator {
  readonly id: string;
  readonly state: StepState;
  /** Rows that came after their result had left the view, or without a time. */
  expiredRows = 0;
  readonly #options: SlidingOperatorOptions;
  readonly #kept: EventPanes;
  readonly #rangeUs: number;
  /** Results before this are final; rows from before are late. */
  readonly #openUs = new StateNumber(Number.NEGATIVE_INFINITY);
  /** Results before this have left the view. */
  readonly #shownUs = new StateNumber(Number.NEGATIVE_INFINITY);
  #isRemovalDue = false;
  #isWhole = false;

  constructor(options: SlidingOperatorOptions) {
    this.#options = options;
    this.id = options.id;
    this.#rangeUs = options.rangeMs * 1000;
    this.#kept = new EventPanes(options, (list, slot) => this.#schedule(list, slot));
    this.state = new StepState({
      id: options.id,
      facts: this.#kept.factsOf(`sliding, ${options.rangeMs} ms`),
      values: [this.#openUs, this.#shownUs],
      keyed: this.#kept.panes,
    });
  }

  /** None: a view's rows are made when they are collected. */
  get heldBytes(): number {
    return 0;
  }

  onRows(rows: Rows): void {
    const kept = this.#kept;
    const { late, emission } = this.#options;
    kept.bind(rows.relation);
    kept.selection.begin(rows);
    for (let k = 0; k < rows.count; k++) {
      const micros = kept.microsOf(rows, k);
      const isTimeless = !Number.isFinite(micros);
      if (isTimeless || micros < this.#openUs.value) {
        late?.add(rows, k);
        // It still counts for results up to `range` later.
        if (isTimeless || micros + this.#rangeUs < this.#openUs.value) {
          this.expiredRows++;
          continue;
        }
      }
      kept.selection.setKey(rows, k);
      const slot = kept.take(rows, k, micros);
      if (micros < this.#openUs.value) kept.lists.listOf(slot).version++;
      if (emission.early !== null) kept.lists.mark(slot);
    }
    kept.addTaken();
  }

  onWatermark(watermarkMs: number): void {
    const { latenessMs, retainMs } = this.#options.emission;
    const boundOf = (ms: number | null): number =>
      ms === null ? Number.NEGATIVE_INFINITY : Math.floor((watermarkMs - ms) * 1000);
    const shown = boundOf(retainMs);
    if (shown > this.#shownUs.value) {
      this.#shownUs.value = shown;
      this.#isRemovalDue = true;
    }
    const before = this.#openUs.value;
    const open = Math.max(boundOf(latenessMs), shown);
    if (!(open > before)) return;
    this.#openUs.value = open;
    this.#close(before, open);
  }

  onClear(): void {
    const { lists, panes } = this.#kept;
    if (this.#options.emission.early !== null) {
      for (const list of lists.sorted([...lists.all()])) {
        for (let at = list.begin; at < list.end; at++) {
          if (list.timeAt(at) >= this.#openUs.value) this.#kept.remove(list, list.timeAt(at));
        }
      }
    }
    panes.removeAll();
  }

  collect(): OutputBatch | null {
    const { lists, view } = this.#kept;
    lists.ripen();
    for (const list of lists.changed) {
      this.#give(list, this.#openUs.value, Number.POSITIVE_INFINITY);
    }
    this.#settle();
    const removeBeforeMs = this.#isRemovalDue ? this.#shownUs.value / 1000 : null;
    const isWhole = this.#isWhole;
    this.#isRemovalDue = false;
    this.#isWhole = false;
    return view.take(removeBeforeMs, isWhole);
  }

  resend(): boolean {
    const { lists, panes } = this.#kept;
    if (this.#options.emission.early === null) return false;
    lists.markAll();
    return panes.size > 0;
  }

  replace(): boolean {
    this.resend();
    this.#isWhole = true;
    return true;
  }

  discard(): void {
    this.collect();
  }

  #schedule(list: PaneList, slot: number): void {
    this.#kept.deadlines.schedule(list.number, this.#kept.panes.windowOf(slot));
  }

  /** Gives out what is final of the times from `before` to `open`; forgets what is out of reach. */
  #close(before: number, open: number): void {
    const { lists, deadlines, panes } = this.#kept;
    const due: PaneList[] = [];
    while (deadlines.nextMs < open) {
      const list = lists.numbered(deadlines.take());
      if (list !== undefined) due.push(list);
    }
    for (const list of lists.sorted(due)) {
      if (this.#options.emission.early === null) this.#giveFinal(list, before, open);
      else this.#give(list, before, open);
      while (list.length > 0 && list.timeAt(list.begin) + this.#rangeUs < open) {
        panes.remove(list.slotAt(list.begin));
      }
      if (list.length === 0) continue;
      const next = list.placeOf(open);
      const forgetUs = list.timeAt(list.begin) + this.#rangeUs + 1;
      const closeUs = next < list.end ? list.timeAt(next) : Number.POSITIVE_INFINITY;
      deadlines.schedule(list.number, Math.min(forgetUs, closeUs));
    }
  }

  #giveFinal(list: PaneList, before: number, open: number): void {
    list.sliding ??= new SlidingMerge(list, this.#kept.partials);
    for (let at = list.placeOf(before); at < list.end && list.timeAt(at) < open; at++) {
      this.#giveAt(list, list.sliding, at);
    }
  }

  /** Gives out the results that changed panes reach, of the times from `from` up to `to`. */
  #give(list: PaneList, from: number, to: number): void {
    const { panes, partials } = this.#kept;
    const places = list.changed
      .map((slot) => list.placeOf(panes.windowOf(slot)))
      .sort((a, b) => a - b);
    const sliding = new SlidingMerge(list, partials);
    let at = list.placeOf(from);
    for (const place of places) {
      at = Math.max(at, place);
      const reach = list.timeAt(place) + this.#rangeUs;
      for (; at < list.end && list.timeAt(at) <= reach && list.timeAt(at) < to; at++) {
        this.#giveAt(list, sliding, at);
      }
    }
    sliding.end();
  }

  #giveAt(list: PaneList, sliding: SlidingMerge, place: number): void {
    const { partials } = this.#kept;
    const micros = list.timeAt(place);
    if (micros < this.#shownUs.value) return;
    if (this.#kept.rowsOf(list.slotAt(place)) === 0) {
      if (this.#options.emission.early !== null) this.#kept.remove(list, micros);
      return;
    }
    const slot = partials.take();
    sliding.mergeInto(slot, micros - this.#rangeUs, micros + 1);
    this.#kept.put(list, { micros, end: micros, slot });
    partials.giveBack(slot);
  }

  /** What changed has been given out; panes without rows are of no more use. */
  #settle(): void {
    const { lists, panes } = this.#kept;
    const emptied = lists.changed.flatMap(({ changed }) =>
      changed.filter((slot) => this.#kept.rowsOf(slot) === 0),
    );
    lists.settle();
    for (const slot of emptied) panes.remove(slot);
  }
}
