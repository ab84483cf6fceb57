import { TidemarkError } from "../../core/errors.js";
import type { Operator, OutputOperator } from "../../core/operator.js";
import type { AppendBatch } from "../../core/output.js";
import { columnIndex, type Relation } from "../../core/relation.js";
import { Row } from "../../core/row.js";
import { emptyRows, pushRow, type Rows } from "../../core/rows.js";
import { KeyedState } from "../../state/keyed-state.js";
import { StateNumber } from "../../state/state-number.js";
import { StepState } from "../../state/step-state.js";
import { Arrival } from "./arrival.js";
import type { Automaton } from "./automaton.js";
import { Deadlines } from "./deadlines.js";
import type { AfterMatch } from "./definition.js";
import type { FoundMatch, MatchOutput } from "./match-output.js";
import { Matcher } from "./matcher.js";
import type { RowConditions } from "./row-conditions.js";
import { RowEvent, type RowKeeper } from "./row-event.js";
import { compareEvents, compareMatches } from "./run.js";
import { type KeyEntry, RunsColumn } from "./runs-column.js";

/** What to do when a key has more runs than it may. */
export type Overflow = "stop" | "dropOldest" | "dropNewest";

/** Settings of {@link PatternOperator}. */
export interface PatternOperatorOptions {
  readonly id: string;
  /** What its state follows from; see `StepState`. */
  readonly facts: Readonly<Record<string, string>>;
  readonly keys: readonly string[];
  readonly automaton: Automaton;
  readonly conditions: RowConditions;
  readonly afterMatch: AfterMatch;
  readonly keeper: RowKeeper;
  /** Whether event time is the commit's, so that rows come in order and none is late. */
  readonly isCommitTime: boolean;
  readonly maxRuns: number;
  readonly overflow: Overflow;
  readonly matches: MatchOutput;
  /** Takes partial matches whose time was over; null drops them, counted. */
  readonly timeouts: MatchOutput | null;
  /** Takes rows that came after the watermark had passed them; null drops them, counted. */
  readonly late: Operator | null;
}

/**
 * Finds a pattern in the rows of each key, in the order (event time, commit, ordinal).
 *
 * With the commit's time as event time, rows are matched as they come. Commit times of neighbours
 * can be a moment out of order, so time is held where it stands until they have caught up. With a
 * column as event time a row waits until the watermark has passed it; one that comes later than
 * that is late. Time that passes without rows is the watermark's: it ends runs whose time is over.
 *
 * The entry of a key is replaced when it changes and never changed in place, so that a snapshot
 * finds it as it was; keys without runs are forgotten.
 */
export class PatternOperator implements OutputOperator {
  readonly id: string;
  readonly state: StepState;
  /** Runs given up because a key had too many. */
  droppedRuns = 0;
  /** Rows that came after the watermark had passed them, or without a time. */
  lateRows = 0;
  readonly #options: PatternOperatorOptions;
  readonly #matcher: Matcher<RowEvent, Arrival>;
  readonly #keyed: KeyedState;
  readonly #runs: RunsColumn;
  readonly #deadlines = new Deadlines();
  /** The time that events have reached, or the watermark. */
  readonly #clockMs = new StateNumber(Number.NEGATIVE_INFINITY);
  readonly #arrival = new Arrival();
  readonly #late: Rows = emptyRows();
  readonly #entry: KeyEntry = { runs: [], completed: [], waiting: [] };
  #relation: Relation | null = null;
  #keyColumns: number[] = [];
  /** Where the arrival's row lies, or the event that it was kept as already. */
  #bytes: Uint8Array = new Uint8Array(0);
  #cells: Int32Array = new Int32Array(0);
  #image = 0;
  #keptEvent: RowEvent | null = null;
  #matched: Omit<FoundMatch, "key">[] = [];
  #timedOut: Omit<FoundMatch, "key">[] = [];

  constructor(options: PatternOperatorOptions) {
    const { id, facts, automaton, conditions, afterMatch } = options;
    this.id = id;
    this.#options = options;
    this.#runs = new RunsColumn((slot, entry) => this.#schedule(slot, entry));
    this.#keyed = new KeyedState([this.#deadlines, this.#runs]);
    this.state = new StepState({ id, facts, values: [this.#clockMs], keyed: this.#keyed });
    this.#matcher = new Matcher<RowEvent, Arrival>({
      automaton,
      conditions,
      afterMatch,
      handler: {
        onMatch: (match) => this.#matched.push(match),
        onTimeout: ({ last }, ms) => this.#timedOut.push({ last, ms }),
      },
      keep: (arrival) => this.#keep(arrival),
    });
  }

  /** Partial matches of all keys. */
  get runCount(): number {
    return this.#runs.runCount;
  }

  /** Partial matches whose time was over. */
  get timeoutCount(): number {
    return this.#matcher.timeouts;
  }

  get heldBytes(): number {
    return this.#options.matches.heldBytes;
  }

  onRows(rows: Rows): void {
    if (rows.relation !== this.#relation) this.#bind(rows.relation);
    const { isCommitTime } = this.#options;
    this.#late.count = 0;
    for (let k = 0; k < rows.count; k++) {
      if (isCommitTime) this.#offerRow(rows, k);
      else this.#await(rows, k);
    }
    if (this.#late.count === 0) return;
    this.#late.batch = rows.batch;
    this.#late.relation = rows.relation;
    this.#late.slice = rows.slice;
    this.lateRows += this.#late.count;
    this.#options.late?.onRows(this.#late);
  }

  /** Patterns are looked for among what was inserted, which a truncate does not undo. */
  onClear(): void {}

  onWatermark(watermarkMs: number): void {
    this.#options.matches.onWatermark(watermarkMs);
    this.#options.timeouts?.onWatermark(watermarkMs);
    const ms = Math.floor(watermarkMs);
    if (!(ms > this.#clockMs.value) && this.#deadlines.nextMs > ms) return;
    if (ms > this.#clockMs.value) this.#clockMs.value = ms;
    const found: { matched: FoundMatch[]; timedOut: FoundMatch[] } = { matched: [], timedOut: [] };
    while (this.#deadlines.nextMs <= ms) {
      const slot = this.#deadlines.take();
      const entry = slot < 0 ? undefined : this.#runs.get(slot);
      if (entry === undefined) continue;
      this.#load(entry);
      this.#offerWaiting(ms);
      this.#matcher.advance(this.#entry, ms);
      const key = this.#keyed.keyOf(slot).slice();
      for (const match of this.#matched.splice(0)) found.matched.push({ ...match, key });
      for (const match of this.#timedOut.splice(0)) found.timedOut.push({ ...match, key });
      this.#store(slot, entry);
    }
    // The keys came in no particular order.
    for (const match of found.matched.sort(compareFound)) this.#options.matches.add(match);
    for (const match of found.timedOut.sort(compareFound)) this.#options.timeouts?.add(match);
  }

  collect(): AppendBatch | null {
    return this.#options.matches.collect();
  }

  resend(): boolean {
    return this.#options.matches.resend();
  }

  replace(): boolean {
    return this.#options.matches.replace();
  }

  discard(): void {
    this.#options.matches.discard();
  }

  /** Matches a row at once. */
  #offerRow(rows: Rows, k: number): void {
    this.#arrive(rows, k);
    const arrival = this.#arrival;
    if (arrival.ms > this.#clockMs.value) this.#clockMs.value = arrival.ms;
    else arrival.ms = this.#clockMs.value;
    this.#setKey();
    const found = this.#keyed.find(0);
    const before = found < 0 ? null : (this.#runs.get(found) ?? null);
    this.#load(before);
    this.#matcher.offer(this.#entry, arrival);
    const hasFound = this.#matched.length > 0 || this.#timedOut.length > 0;
    if (before === null && !hasFound && this.#entry.runs.length === 0) return;
    const slot = found < 0 ? this.#keyed.slot(0) : found;
    if (hasFound) this.#give(slot);
    this.#store(slot, before);
  }

  /** Gives out what the last event or advance found. */
  #give(slot: number): void {
    const key = this.#keyed.keyOf(slot);
    const { matches, timeouts } = this.#options;
    for (const match of this.#matched) matches.add({ ...match, key });
    for (const match of this.#timedOut) timeouts?.add({ ...match, key });
    this.#matched = [];
    this.#timedOut = [];
  }

  /** Has a row wait for the watermark, or be late. */
  #await(rows: Rows, k: number): void {
    const ms = rows.eventMs[k] as number;
    if (!(ms >= this.#clockMs.value) || ms === Number.POSITIVE_INFINITY) {
      pushRow(this.#late, rows.indices[k] as number, rows.images[k] as number);
      return;
    }
    this.#arrive(rows, k);
    this.#setKey();
    const slot = this.#keyed.slot(0);
    const before = this.#runs.get(slot) ?? null;
    this.#load(before);
    const event = this.#keep(this.#arrival);
    const waiting = [...this.#entry.waiting];
    let at = waiting.length;
    while (at > 0 && compareEvents(waiting[at - 1] as RowEvent, event) > 0) at--;
    waiting.splice(at, 0, event);
    this.#entry.waiting = waiting;
    this.#store(slot, before);
  }

  /** Matches the loaded key's rows that the watermark has passed. */
  #offerWaiting(ms: number): void {
    const { waiting } = this.#entry;
    const arrival = this.#arrival;
    const end = waiting.findIndex((event) => event.ms >= ms);
    const due = end < 0 ? waiting : waiting.slice(0, end);
    this.#entry.waiting = end < 0 ? [] : waiting.slice(end);
    for (const event of due) {
      arrival.ms = event.ms;
      arrival.commitLsn = event.commitLsn;
      arrival.ordinal = event.ordinal;
      arrival.xid = event.xid;
      arrival.row = event.row(this.#options.keeper);
      this.#keptEvent = event;
      this.#matcher.offer(this.#entry, arrival);
    }
  }

  /** Fills the arrival with a row of a selection. */
  #arrive(rows: Rows, k: number): void {
    const { batch, relation, slice, indices } = rows;
    const i = indices[k] as number;
    const arrival = this.#arrival;
    arrival.ms = rows.eventMs[k] as number;
    arrival.commitLsn = slice.commitLsn;
    arrival.ordinal = slice.firstOrdinal + i - slice.from;
    arrival.xid = slice.xid;
    const bytes = batch.bytes[i] as Uint8Array;
    const image = rows.images[k] as number;
    arrival.row = Row.of(relation, bytes, batch.cells, image);
    this.#bytes = bytes;
    this.#cells = batch.cells;
    this.#image = image;
    this.#keptEvent = null;
  }

  /** Detaches the arrival from the batch. */
  #keep(arrival: Arrival): RowEvent {
    if (this.#keptEvent !== null) return this.#keptEvent;
    const { keeper } = this.#options;
    return new RowEvent(arrival, keeper.pack(this.#bytes, this.#cells, this.#image));
  }

  /** Names the arrival's key to the keyed state. */
  #setKey(): void {
    const keyed = this.#keyed;
    keyed.beginKey();
    for (const column of this.#keyColumns) {
      const cell = this.#image + 2 * column;
      const start = this.#cells[cell] as number;
      if (start < 0) keyed.addNull();
      else keyed.addBytes(this.#bytes, start, this.#cells[cell + 1] as number);
    }
  }

  #load(entry: KeyEntry | null): void {
    const { runs, completed, waiting } = entry ?? NOTHING;
    this.#entry.runs = runs;
    this.#entry.completed = completed;
    this.#entry.waiting = waiting;
  }

  /** Puts what was loaded back, if it is no longer what it was. */
  #store(slot: number, before: KeyEntry | null): void {
    this.#limit();
    const { runs, completed, waiting } = this.#entry;
    const isSame =
      before !== null &&
      hasSame(before.runs, runs) &&
      hasSame(before.completed, completed) &&
      hasSame(before.waiting, waiting);
    if (isSame) {
      this.#schedule(slot, before);
      return;
    }
    if (runs.length + completed.length + waiting.length === 0) {
      this.#keyed.remove(slot);
      return;
    }
    this.#keyed.touch(slot);
    const entry = { runs, completed, waiting };
    this.#runs.set(slot, entry);
    this.#schedule(slot, entry);
  }

  #schedule(slot: number, entry: KeyEntry): void {
    const [first] = entry.waiting;
    const deadline = this.#matcher.nextDeadline(entry);
    this.#deadlines.schedule(slot, Math.min(deadline, (first?.ms ?? Number.POSITIVE_INFINITY) + 1));
  }

  #limit(): void {
    const { maxRuns, overflow, id } = this.#options;
    const { runs } = this.#entry;
    const tooMany = runs.length - maxRuns;
    if (tooMany <= 0) return;
    if (overflow === "stop") {
      throw new TidemarkError(
        "PATTERN_LIMIT",
        `${id}: a key has more than ${maxRuns} partial matches, waiting for ` +
          `"${this.#matcher.waitsFor(runs[0] as (typeof runs)[number])}" and others. Nothing was ` +
          "lost: give the pattern a shorter within, an until or a stricter contiguity, raise " +
          "maxRuns, or choose what is dropped with overflow.",
        { detail: { step: id, maxRuns } },
      );
    }
    this.droppedRuns += tooMany;
    this.#entry.runs = overflow === "dropOldest" ? runs.slice(tooMany) : runs.slice(0, maxRuns);
  }

  #bind(relation: Relation): void {
    this.#relation = relation;
    this.#keyColumns = this.#options.keys.map((name) => columnIndex(relation, name));
    this.#options.keeper.bind(relation);
  }
}

/** What a key without an entry has; nobody adds to it. */
const NOTHING: KeyEntry = { runs: [], completed: [], waiting: [] };

function hasSame<T>(a: readonly T[], b: readonly T[]): boolean {
  return a === b || (a.length === b.length && a.every((one, i) => one === b[i]));
}

function compareFound(a: FoundMatch, b: FoundMatch): number {
  const first = (match: FoundMatch) => {
    let taken = match.last;
    while (taken.before !== null) taken = taken.before;
    return taken.event;
  };
  return a.ms - b.ms || compareMatches({ ...a, first: first(a) }, { ...b, first: first(b) });
}
