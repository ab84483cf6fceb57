import type { BlockReader, BlockWriter } from "../../state/block.js";
import type { StateColumn } from "../../state/state-column.js";
import { RowEvent } from "./row-event.js";
import { type Completed, type KeyRuns, type Run, type Taken, takenOf } from "./run.js";

/** What a key remembers, and the rows that wait until the watermark has passed them. */
export interface KeyEntry extends KeyRuns<RowEvent> {
  /** In the order of events. */
  waiting: RowEvent[];
}

/** Approximate bytes of a run and of an event with its place in a chain, without its row. */
const RUN_BYTES = 80;
const EVENT_BYTES = 200;

/**
 * The runs of each key. Saved as the graph they are: each event once, each taken event once with
 * the one before it, then the runs as ends of chains.
 */
export class RunsColumn implements StateColumn {
  readonly bytesPerSlot = 24;
  /** Runs, held-back matches and waiting rows of all keys. */
  runCount = 0;
  #heldBytes = 0;
  readonly #entries: (KeyEntry | undefined)[] = [];
  readonly #bytes: number[] = [];
  readonly #counts: number[] = [];
  readonly #onLoad: (slot: number, entry: KeyEntry) => void;

  /** `onLoad` is told each slot that a checkpoint brings back. */
  constructor(onLoad: (slot: number, entry: KeyEntry) => void) {
    this.#onLoad = onLoad;
  }

  get heldBytes(): number {
    return this.#heldBytes;
  }

  get(slot: number): KeyEntry | undefined {
    return this.#entries[slot];
  }

  /** Sets what a slot holds. An entry is replaced, never changed: a snapshot may be reading it. */
  set(slot: number, entry: KeyEntry): void {
    this.#entries[slot] = entry;
    this.#account(slot, bytesOf(entry), entry.runs.length);
  }

  grow(): void {}

  clear(slot: number): void {
    this.#entries[slot] = undefined;
    this.#account(slot, 0, 0);
  }

  save(slot: number, out: BlockWriter): void {
    const entry = this.#entries[slot] ?? EMPTY;
    const nodes = new Map<Taken<RowEvent>, number>();
    const events = new Map<RowEvent, number>();
    for (const { last } of [...entry.runs, ...entry.completed]) {
      for (const taken of takenOf(last)) {
        if (!nodes.has(taken)) nodes.set(taken, nodes.size);
        if (!events.has(taken.event)) events.set(taken.event, events.size);
      }
    }
    out.integer(events.size);
    for (const event of events.keys()) event.save(out);
    out.integer(nodes.size);
    for (const { step, event, before } of nodes.keys()) {
      out.integer(step);
      out.integer(events.get(event) as number);
      out.integer(before === null ? 0 : 1 + (nodes.get(before) as number));
    }
    out.integer(entry.runs.length);
    for (const run of entry.runs) {
      out.integer(run.state);
      out.integer(nodes.get(run.last) as number);
    }
    out.integer(entry.completed.length);
    for (const { last, ms } of entry.completed) {
      out.integer(nodes.get(last) as number);
      out.double(ms);
    }
    out.integer(entry.waiting.length);
    for (const event of entry.waiting) event.save(out);
  }

  load(slot: number, from: BlockReader): void {
    const events = repeat(from.integer(), () => RowEvent.load(from));
    const nodes: Taken<RowEvent>[] = [];
    const firsts: RowEvent[] = [];
    for (let left = from.integer(); left > 0; left--) {
      const step = from.integer();
      const event = events[from.integer()] as RowEvent;
      const at = from.integer() - 1;
      const before = at < 0 ? null : (nodes[at] as Taken<RowEvent>);
      firsts.push(at < 0 ? event : (firsts[at] as RowEvent));
      nodes.push({ step, event, before, depth: 1 + (before?.depth ?? 0) });
    }
    const end = (): { first: RowEvent; last: Taken<RowEvent> } => {
      const at = from.integer();
      return { first: firsts[at] as RowEvent, last: nodes[at] as Taken<RowEvent> };
    };
    const runs = repeat(from.integer(), (): Run<RowEvent> => ({ state: from.integer(), ...end() }));
    const completed = repeat(
      from.integer(),
      (): Completed<RowEvent> => ({ ...end(), ms: from.double() }),
    );
    const waiting = repeat(from.integer(), () => RowEvent.load(from));
    const entry = { runs, completed, waiting };
    this.set(slot, entry);
    this.#onLoad(slot, entry);
  }

  #account(slot: number, bytes: number, runs: number): void {
    this.#heldBytes += bytes - (this.#bytes[slot] ?? 0);
    this.#bytes[slot] = bytes;
    this.runCount += runs - (this.#counts[slot] ?? 0);
    this.#counts[slot] = runs;
  }
}

const EMPTY: KeyEntry = { runs: [], completed: [], waiting: [] };

function repeat<T>(count: number, read: () => T): T[] {
  const list: T[] = [];
  for (let i = 0; i < count; i++) list.push(read());
  return list;
}

/** Forks share their chains, so the longest one and the runs' own ends are counted. */
function bytesOf({ runs, completed, waiting }: KeyEntry): number {
  let longest = 0;
  let rows = 0;
  for (const { last } of runs) {
    if (last.depth > longest) longest = last.depth;
    rows += last.event.packed.length;
  }
  for (const { last } of completed) rows += last.event.packed.length;
  for (const event of waiting) rows += EVENT_BYTES + event.packed.length;
  const ends = runs.length + completed.length;
  const perEvent = EVENT_BYTES + (ends === 0 ? 0 : rows / ends);
  return ends * (RUN_BYTES + perEvent) + longest * perEvent + rows;
}
