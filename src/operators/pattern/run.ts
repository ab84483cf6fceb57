/** Where an event stands: matches are found in this order, whatever order events came in. */
export interface PatternEvent {
  /** Event time, milliseconds since the Unix epoch. */
  readonly ms: number;
  /** Start of its transaction's commit record. */
  readonly commitLsn: bigint;
  /** Number of the change in its transaction. */
  readonly ordinal: number;
}

/** The total order of events: event time, then commit, then ordinal. */
export function compareEvents(a: PatternEvent, b: PatternEvent): number {
  if (a.ms !== b.ms) return a.ms - b.ms;
  if (a.commitLsn !== b.commitLsn) return a.commitLsn < b.commitLsn ? -1 : 1;
  return a.ordinal - b.ordinal;
}

/** An event taken for a step. Runs that forked share what they had before. */
export interface Taken<E> {
  /** Index in the automaton's steps. */
  readonly step: number;
  readonly event: E;
  readonly before: Taken<E> | null;
  /** How many there are up to this one. */
  readonly depth: number;
}

/** A partial match. */
export interface Run<E> {
  readonly state: number;
  readonly first: E;
  readonly last: Taken<E>;
}

/** A complete match that has not been given out yet. */
export interface Completed<E> {
  readonly first: E;
  readonly last: Taken<E>;
  /** When it was complete: its last event's time, or when the time was over that it waited for. */
  readonly ms: number;
}

/** What one key remembers. */
export interface KeyRuns<E> {
  /** In the order of their first events. */
  runs: Run<E>[];
  /** Held back by runs that began earlier; empty under `noSkip`. */
  completed: Completed<E>[];
}

/** The events of a match, oldest first, with their steps. */
export function takenOf<E>(last: Taken<E> | null): Taken<E>[] {
  const chain: Taken<E>[] = [];
  for (let taken = last; taken !== null; taken = taken.before) chain.push(taken);
  return chain.reverse();
}

/**
 * The order in which matches are given out: by last event, first event, then the events of the
 * steps in the steps' order.
 */
export function compareMatches<E extends PatternEvent>(a: Completed<E>, b: Completed<E>): number {
  return (
    compareEvents(a.last.event, b.last.event) ||
    compareEvents(a.first, b.first) ||
    compareSteps(a, b)
  );
}

function compareSteps<E extends PatternEvent>(a: Completed<E>, b: Completed<E>): number {
  const left = bySteps(a.last);
  const right = bySteps(b.last);
  for (let i = 0; i < left.length && i < right.length; i++) {
    const [one, other] = [left[i] as Taken<E>, right[i] as Taken<E>];
    const difference = one.step - other.step || compareEvents(one.event, other.event);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

function bySteps<E extends PatternEvent>(last: Taken<E>): Taken<E>[] {
  return takenOf(last).sort((a, b) => a.step - b.step);
}
