import type { OutputOperator } from "../../core/operator.js";
import type { OutputBatch } from "../../core/output.js";
import type { Rows } from "../../core/rows.js";
import { StateNumber } from "../../state/state-number.js";
import { StepState } from "../../state/step-state.js";
import { EventPanes, type EventWindowOptions } from "./event-panes.js";
import type { PaneList } from "./pane-list.js";
import { SpanColumn } from "./span-column.js";

/** Settings of {@link SessionOperator}. */
export interface SessionOperatorOptions extends EventWindowOptions {
  /** Rows of a key that are at most so far apart are in one session, in milliseconds. */
  readonly gapMs: number;
}

/** Panes next to each other that form a session: places [from, to), some of them without rows. */
interface Run {
  readonly from: number;
  readonly to: number;
}

/**
 * Sessions: rows of a key that follow each other at a distance of at most `gap`. A session begins
 * at its first row and ends at its last; these name it and may both move, so that a row can join
 * two sessions into one, and a row that leaves can split one.
 *
 * Sessions are read off the panes, one for each event time, around what changed. Where rows only
 * come, the panes of a session are brought together when it is given out, so that it costs one.
 */
export class SessionOperator implements OutputOperator {
  readonly id: string;
  readonly state: StepState;
  /** Rows that came after their session had left the view, or without a time. */
  expiredRows = 0;
  readonly #options: SessionOperatorOptions;
  readonly #kept: EventPanes;
  readonly #spans = new SpanColumn();
  readonly #gapUs: number;
  /** Sessions that end more than the gap before this are closed. */
  readonly #openUs = new StateNumber(Number.NEGATIVE_INFINITY);
  #isWhole = false;

  constructor(options: SessionOperatorOptions) {
    this.#options = options;
    this.id = options.id;
    this.#gapUs = options.gapMs * 1000;
    this.#kept = new EventPanes(options, (list, slot) => this.#schedule(list, slot), [this.#spans]);
    this.state = new StepState({
      id: options.id,
      facts: this.#kept.factsOf(`session, gap ${options.gapMs} ms`),
      values: [this.#openUs],
      keyed: this.#kept.panes,
    });
  }

  /** None: a view's rows are made when they are collected. */
  get heldBytes(): number {
    return 0;
  }

  onRows(rows: Rows): void {
    const kept = this.#kept;
    const { late } = this.#options;
    kept.bind(rows.relation);
    kept.selection.begin(rows);
    for (let k = 0; k < rows.count; k++) {
      const micros = kept.microsOf(rows, k);
      kept.selection.setKey(rows, k);
      const slot = this.#slotFor(rows, k, micros);
      if (slot < 0) {
        late?.add(rows, k);
        this.expiredRows++;
        continue;
      }
      if (micros > this.#spans.lastOf(slot)) this.#spans.setLast(slot, micros);
      if (this.#options.emission.early !== null) kept.lists.mark(slot);
    }
    kept.addTaken();
  }

  onWatermark(watermarkMs: number): void {
    const { latenessMs, retainMs } = this.#options.emission;
    const after = latenessMs ?? retainMs;
    if (after === null) return;
    const open = Math.floor((watermarkMs - after) * 1000);
    if (!(open > this.#openUs.value)) return;
    this.#openUs.value = open;
    this.#close(open);
  }

  onClear(): void {
    const { lists, panes } = this.#kept;
    for (const list of lists.sorted([...lists.all()])) {
      for (let at = list.begin; at < list.end; at++) this.#hide(list, at);
    }
    panes.removeAll();
  }

  collect(): OutputBatch | null {
    const { lists, view } = this.#kept;
    lists.ripen();
    for (const list of [...lists.changed]) this.#giveChanged(list);
    this.#settle();
    const isWhole = this.#isWhole;
    this.#isWhole = false;
    return view.take(null, isWhole);
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

  /** Which rows the view has is state, so that results are made as for a collection. */
  discard(): void {
    this.collect();
  }

  /** The pane of a row whose key is named; -1 when the row is late. */
  #slotFor(rows: Rows, k: number, micros: number): number {
    const { panes, lists } = this.#kept;
    if (!Number.isFinite(micros)) return -1;
    const list = lists.ofNamedKey();
    const isLate = micros + this.#gapUs < this.#openUs.value;
    if (list === null) return isLate ? -1 : this.#take(rows, k, micros);
    const next = list.placeOf(micros);
    const isHere = next < list.end && list.timeAt(next) === micros;
    const before = isHere ? next : next - 1;
    const follows =
      before >= list.begin && micros - this.#spans.lastOf(list.slotAt(before)) <= this.#gapUs;
    if (isLate) {
      const precedes = next < list.end && list.timeAt(next) - micros <= this.#gapUs;
      if (!follows && !precedes) return -1;
    }
    if (isHere || !follows || this.#options.isRetractable) return this.#take(rows, k, micros);
    // Rows only come: the row joins the pane before it.
    const slot = list.slotAt(before);
    panes.touch(slot);
    this.#kept.selection.take(rows, k, slot);
    return slot;
  }

  #take(rows: Rows, k: number, micros: number): number {
    const slot = this.#kept.take(rows, k, micros);
    if (this.#kept.panes.isNew) this.#spans.setLast(slot, micros);
    return slot;
  }

  /** The key is looked at when its first session may have closed. */
  #schedule(list: PaneList, slot: number): void {
    const { panes, deadlines } = this.#kept;
    deadlines.schedule(list.number, panes.windowOf(slot) + this.#gapUs);
  }

  /** Gives out the sessions that have ended, where that is still to be done, and forgets them. */
  #close(open: number): void {
    const { lists, deadlines } = this.#kept;
    const due: PaneList[] = [];
    while (deadlines.nextMs < open) {
      const list = lists.numbered(deadlines.take());
      if (list !== undefined) due.push(list);
    }
    for (const list of lists.sorted(due)) this.#closeSessions(list, open);
  }

  #closeSessions(list: PaneList, open: number): void {
    const { emission } = this.#options;
    while (list.length > 0) {
      const run = this.#runFrom(list, list.begin);
      const end = this.#endOf(list, run);
      if (!(end + this.#gapUs < open)) {
        this.#kept.deadlines.schedule(list.number, end + this.#gapUs);
        return;
      }
      if (emission.latenessMs === null) {
        for (let at = run.from; at < run.to; at++) this.#hide(list, at);
      } else if (emission.early === null || this.#hasChanged(list, run)) {
        this.#give(list, run);
      }
      for (let at = run.from; at < run.to; at++) this.#kept.panes.remove(list.slotAt(at));
    }
  }

  #hasChanged(list: PaneList, { from, to }: Run): boolean {
    for (let at = from; at < to; at++) {
      if (this.#kept.lists.isChanged(list.slotAt(at))) return true;
    }
    return false;
  }

  /** Gives out every session that is no longer what it was. */
  #giveChanged(list: PaneList): void {
    const { panes } = this.#kept;
    const times = list.changed.map((slot) => panes.windowOf(slot)).sort((a, b) => a - b);
    let doneBefore = Number.NEGATIVE_INFINITY;
    for (const time of times) {
      const place = list.placeOf(time);
      // What was one session before may be two now, one before the changed pane and one behind.
      const end = this.#runFrom(list, this.#nextWithRows(list, place)).to;
      const endTime = end < list.end ? list.timeAt(end) : Number.POSITIVE_INFINITY;
      let at = Math.max(this.#runBefore(list, place), list.placeOf(doneBefore));
      while (at < list.end && list.timeAt(at) < endTime) {
        const run = this.#runFrom(list, at);
        this.#give(list, run);
        if (!this.#options.isRetractable) this.#join(list, run);
        at = this.#options.isRetractable ? run.to : run.from + 1;
      }
      doneBefore = Math.max(doneBefore, endTime);
    }
  }

  /** Place where the session begins that holds a pane or, if it has no rows, the one before. */
  #runBefore(list: PaneList, place: number): number {
    let begin = place;
    while (begin > list.begin && this.#isEmpty(list, begin)) begin--;
    if (this.#isEmpty(list, begin)) return place;
    for (let at = begin - 1; at >= list.begin; at--) {
      if (this.#isEmpty(list, at)) continue;
      if (list.timeAt(begin) - this.#spans.lastOf(list.slotAt(at)) > this.#gapUs) break;
      begin = at;
    }
    return begin;
  }

  #nextWithRows(list: PaneList, place: number): number {
    let at = place;
    while (at + 1 < list.end && this.#isEmpty(list, at)) at++;
    return at;
  }

  /** The session that begins at a pane, with the panes without rows in it and behind it. */
  #runFrom(list: PaneList, from: number): Run {
    let last = Number.NEGATIVE_INFINITY;
    let to = from;
    for (; to < list.end; to++) {
      if (this.#isEmpty(list, to)) continue;
      if (last > Number.NEGATIVE_INFINITY && list.timeAt(to) - last > this.#gapUs) break;
      last = this.#spans.lastOf(list.slotAt(to));
    }
    return { from, to };
  }

  #endOf(list: PaneList, { from, to }: Run): number {
    let end = list.timeAt(from);
    for (let at = from; at < to; at++) {
      if (!this.#isEmpty(list, at)) end = this.#spans.lastOf(list.slotAt(at));
    }
    return end;
  }

  #isEmpty(list: PaneList, place: number): boolean {
    return this.#kept.rowsOf(list.slotAt(place)) === 0;
  }

  /** Gives out one session, and takes out of the view what begins in it elsewhere. */
  #give(list: PaneList, run: Run): void {
    const { partials, panes } = this.#kept;
    const end = this.#endOf(list, run);
    let first = -1;
    const slot = partials.take();
    for (let at = run.from; at < run.to; at++) {
      if (first < 0 && !this.#isEmpty(list, at)) first = at;
      else this.#hide(list, at);
      partials.merge(slot, list.slotAt(at));
    }
    if (first >= 0) {
      const begin = list.slotAt(first);
      this.#kept.put(list, { micros: list.timeAt(first), end, slot });
      panes.touch(begin);
      this.#spans.setShown(begin, true);
    }
    partials.giveBack(slot);
  }

  /** Rows only come: one pane is enough for the session. */
  #join(list: PaneList, run: Run): void {
    const { partials, panes } = this.#kept;
    const { from, to } = run;
    const first = list.slotAt(from);
    this.#spans.setLast(first, this.#endOf(list, run));
    for (let at = to - 1; at > from; at--) {
      partials.merge(first, list.slotAt(from + 1));
      panes.remove(list.slotAt(from + 1));
    }
  }

  /** No session begins at this pane any more. */
  #hide(list: PaneList, place: number): void {
    const slot = list.slotAt(place);
    if (!this.#spans.isShown(slot)) return;
    this.#kept.panes.touch(slot);
    this.#spans.setShown(slot, false);
    this.#kept.remove(list, list.timeAt(place));
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
