import { dropsAfter } from "./after-match.js";
import type { Automaton, AutomatonState, Edge } from "./automaton.js";
import type { AfterMatch } from "./definition.js";
import type { Guard } from "./guard.js";
import {
  type Completed,
  compareEvents,
  compareMatches,
  type KeyRuns,
  type PatternEvent,
  type Run,
  type Taken,
} from "./run.js";

/**
 * Answers conditions. It may be asked again for the same event, and in any order: conditions are
 * pure. `last` is what the run has taken so far, null before its first event.
 */
export interface Conditions<E, A = E> {
  /** Called before the questions about another event. */
  begin(event: A): void;
  holds(condition: number, event: A, last: Taken<E> | null): boolean;
}

/** What comes out of a matcher. */
export interface MatchHandler<E> {
  onMatch(match: Completed<E>): void;
  /** A partial match whose time was over at `ms`. */
  onTimeout(run: Run<E>, ms: number): void;
}

/** Settings of {@link Matcher}. */
export interface MatcherOptions<E, A = E> {
  readonly automaton: Automaton;
  readonly conditions: Conditions<E, A>;
  readonly afterMatch: AfterMatch;
  readonly handler: MatchHandler<E>;
  /** Makes an event that outlives the call; called once for an event that a run takes. */
  readonly keep: (event: A) => E;
}

/**
 * Steps the runs of one key through an automaton. It holds no state of its own between calls: the
 * runs are handed in, so that one matcher serves every key of a pattern.
 *
 * A run is a state and a chain of taken events that forks share; nothing is copied when a run forks
 * and nothing is released by hand when one ends. Events arrive as `A`, and are kept as `E` when a
 * run takes them.
 */
export class Matcher<E extends PatternEvent, A extends PatternEvent = E> {
  /** Runs that ended because their time was over. */
  timeouts = 0;
  readonly #options: MatcherOptions<E, A>;
  readonly #states: readonly AutomatonState[];
  readonly #skipStep: number;
  readonly #isSkipping: boolean;
  /** Stands for "no runs", so that an event that begins nothing makes no array; stays empty. */
  readonly #none: Run<E>[] = [];
  #event: A;
  #kept: E | null = null;
  #live: Run<E>[] = this.#none;
  #done: Completed<E>[] = [];
  /** Reused by each step of a run: edges found, and states still to look at; never shortened. */
  readonly #edges: Edge[] = [];
  #edgeCount = 0;
  readonly #stack: number[] = [];

  constructor(options: MatcherOptions<E, A>) {
    this.#options = options;
    this.#states = options.automaton.states;
    const { afterMatch, automaton } = options;
    this.#skipStep = "step" in afterMatch ? automaton.steps.indexOf(afterMatch.step) : -1;
    this.#isSkipping = afterMatch.to !== "noSkip";
    this.#event = null as unknown as A;
  }

  /** Offers an event to the runs and to the start of the pattern; time moves to the event first. */
  offer(key: KeyRuns<E>, event: A): void {
    if (key.runs.length > 0) this.advance(key, event.ms);
    this.#event = event;
    this.#kept = null;
    this.#options.conditions.begin(event);
    this.#live = this.#none;
    for (const run of key.runs) this.#step(run.state, run);
    this.#step(this.#options.automaton.start, null);
    key.runs = this.#live;
    if (this.#done.length > 0) this.#complete(key);
    else if (key.completed.length > 0) this.#release(key);
  }

  /** Time has reached `ms`: ends the runs whose time is over. */
  advance(key: KeyRuns<E>, ms: number): void {
    let isAnyOver = false;
    for (const run of key.runs) isAnyOver ||= this.deadlineOf(run) <= ms;
    if (!isAnyOver) return;
    const over: Run<E>[] = [];
    this.#live = this.#none;
    for (const run of key.runs) {
      const deadline = this.deadlineOf(run);
      if (deadline > ms) this.#survive(run);
      else if (this.#states[run.state]?.isCompleteAtTimeout) {
        this.#done.push({ first: run.first, last: run.last, ms: deadline });
      } else over.push(run);
    }
    key.runs = this.#live;
    if (this.#done.length > 0) this.#complete(key);
    else if (key.completed.length > 0) this.#release(key);
    this.timeouts += over.length;
    over.sort((a, b) => compareMatches({ ...a, ms: 0 }, { ...b, ms: 0 }));
    for (const run of over) this.#options.handler.onTimeout(run, this.deadlineOf(run));
  }

  /** When a run's time is over, Infinity for never. */
  deadlineOf(run: Run<E>): number {
    const { withinMs } = this.#options.automaton;
    const { gapMs } = this.#states[run.state] as AutomatonState;
    const whole = withinMs === null ? Number.POSITIVE_INFINITY : run.first.ms + withinMs;
    return gapMs === null ? whole : Math.min(whole, run.last.event.ms + gapMs);
  }

  /** When the first of a key's runs is over, Infinity for never. */
  nextDeadline(key: KeyRuns<E>): number {
    let next = Number.POSITIVE_INFINITY;
    for (const run of key.runs) next = Math.min(next, this.deadlineOf(run));
    return next;
  }

  /** Name of the step that a run waits for. */
  waitsFor(run: Run<E>): string {
    const { steps } = this.#options.automaton;
    return steps[this.#states[run.state]?.step ?? -1] ?? "";
  }

  /** Moves a run, or the start, along the edges that the event opens. */
  #step(from: number, run: Run<E> | null): void {
    const last = run === null ? null : run.last;
    this.#edgeCount = 0;
    const isStopped = this.#follow(from, last);
    for (let i = 0; i < this.#edgeCount; i++) {
      const edge = this.#edges[i] as Edge;
      if (edge.kind === "take") this.#take(edge, run, isStopped);
      else if (run !== null) this.#ignore(edge, run, isStopped);
    }
  }

  /** Finds the open edges, through those that use no event; returns whether one stops the run. */
  #follow(from: number, last: Taken<E> | null): boolean {
    const stack = this.#stack;
    let isStopped = false;
    let height = 1;
    stack[0] = from;
    while (height > 0) {
      const state = this.#states[stack[--height] as number] as AutomatonState;
      for (const edge of state.edges) {
        if (edge.gapMs !== null && this.#isOver(edge.gapMs, last)) continue;
        if (!this.#isOpen(edge.guard, last)) continue;
        if (edge.kind === "proceed") stack[height++] = edge.target;
        else if (edge.kind === "stop") isStopped = true;
        else this.#edges[this.#edgeCount++] = edge;
      }
    }
    return isStopped;
  }

  #take(edge: Edge, run: Run<E> | null, isStopped: boolean): void {
    this.#kept ??= this.#options.keep(this.#event);
    const event = this.#kept;
    const before = run === null ? null : run.last;
    const first = run === null ? event : run.first;
    const depth = 1 + (before === null ? 0 : before.depth);
    const last: Taken<E> = { step: edge.step, event, before, depth };
    const { target } = edge;
    const isFinal = this.#states[target]?.kind === "final";
    if (!isFinal && !isStopped) this.#survive({ state: target, first, last });
    // Where the rest may be left out, the match is complete although it may still grow.
    if (isFinal || this.#reachesFinal(target, before))
      this.#done.push({ first, last, ms: event.ms });
  }

  #survive(run: Run<E>): void {
    if (this.#live === this.#none) this.#live = [run];
    else this.#live.push(run);
  }

  #ignore({ target }: Edge, run: Run<E>, isStopped: boolean): void {
    const { first, last } = run;
    if (this.#states[target]?.kind === "final") {
      this.#done.push({ first, last, ms: this.#event.ms });
    } else if (!isStopped) {
      this.#survive(target === run.state ? run : { state: target, first, last });
    }
  }

  #reachesFinal(from: number, last: Taken<E> | null): boolean {
    const { edges } = this.#states[from] as AutomatonState;
    for (const edge of edges) {
      if (edge.kind !== "proceed" || !this.#isOpen(edge.guard, last)) continue;
      if (this.#states[edge.target]?.kind === "final") return true;
      if (edge.target !== from && this.#reachesFinal(edge.target, last)) return true;
    }
    return false;
  }

  #isOver(gapMs: number, last: Taken<E> | null): boolean {
    return last !== null && this.#event.ms - last.event.ms >= gapMs;
  }

  #isOpen(guard: Guard, last: Taken<E> | null): boolean {
    for (const clause of guard) {
      let isMet = false;
      for (const literal of clause) {
        const condition = Math.abs(literal) - 1;
        if (this.#options.conditions.holds(condition, this.#event, last) === literal > 0) {
          isMet = true;
          break;
        }
      }
      if (!isMet) return false;
    }
    return true;
  }

  #complete(key: KeyRuns<E>): void {
    const done = this.#done;
    this.#done = [];
    done.sort(compareMatches);
    if (!this.#isSkipping) {
      for (const match of done) this.#options.handler.onMatch(match);
      return;
    }
    key.completed = [...key.completed, ...done].sort(
      (a, b) => compareEvents(a.first, b.first) || compareMatches(a, b),
    );
    this.#release(key);
  }

  /** Gives out the matches that no live run began before, each dropping what it is to drop. */
  #release(key: KeyRuns<E>): void {
    for (;;) {
      const [match] = key.completed;
      if (match === undefined) return;
      if (key.runs.some((run) => compareEvents(run.first, match.first) < 0)) return;
      const isDropped = dropsAfter(this.#options.afterMatch, this.#skipStep, match);
      key.completed = key.completed.slice(1).filter((other) => !isDropped(other.first));
      key.runs = key.runs.filter((run) => !isDropped(run.first));
      this.#options.handler.onMatch(match);
    }
  }
}
