import { assert } from "../../core/assert.js";
import type { Automaton, AutomatonState, Edge, EdgeKind } from "./automaton.js";
import {
  type Contiguity,
  type ElementDefinition,
  type GroupDefinition,
  type InnerContiguity,
  type PatternDefinition,
  stepsOf,
} from "./definition.js";
import { ALWAYS, and, type Guard, holds, isNever, not } from "./guard.js";

/** An automaton and the conditions its guards number. */
export interface CompiledPattern<C> {
  readonly automaton: Automaton;
  readonly conditions: readonly C[];
}

/**
 * Compiles a checked pattern. The states are made from the last step to the first, so that each
 * knows where it leads. The rules are those of docs/patterns.md.
 */
export function compilePattern<C>(pattern: PatternDefinition<C>): CompiledPattern<C> {
  return new Compiler(pattern).compile();
}

interface MutableState extends AutomatonState {
  readonly edges: Edge[];
}

/** Where an element stands: in the pattern's own sequence, or in a group's. */
interface Place<C> {
  readonly scope: Scope<C>;
  readonly index: number;
  readonly element: ElementDefinition<C>;
}

/** The sequence that is being compiled. */
interface Scope<C> {
  readonly elements: readonly ElementDefinition<C>[];
  /** How its first event follows what was before; null for an element's own contiguity. */
  readonly entry: Contiguity | null;
  /** Whether a run that waits for its first event may also go past it. */
  readonly isLeavable: boolean;
  /** What is forbidden until its first event. */
  readonly nots: readonly Guarded[];
  /** That none of the enclosing groups is ended by its `until`. */
  readonly goesOn: Guard;
}

/** A forbidden event and the step that forbids it. */
interface Guarded {
  readonly guard: Guard;
  readonly step: number;
}

/** What the states of one event of a step, or of one round of a group, are made of. */
interface Taking {
  readonly sink: number;
  /** How the event follows the one before. */
  readonly entry: Contiguity;
  /** Where a run goes that leaves this out; null when it may not. */
  readonly proceed: number | null;
  readonly isFirst: boolean;
}

class Compiler<C> {
  readonly #pattern: PatternDefinition<C>;
  readonly #states: MutableState[] = [];
  readonly #conditions: C[] = [];
  readonly #indices = new Map<C, number>();
  readonly #steps: readonly string[];
  /** For a state that a greedy loop with `until` guards: what it was before. */
  readonly #unguarded = new Map<number, number>();
  readonly #loopsWithState = new Set<ElementDefinition<C>>();

  constructor(pattern: PatternDefinition<C>) {
    this.#pattern = pattern;
    this.#steps = stepsOf(pattern.elements).map((step) => step.name);
  }

  compile(): CompiledPattern<C> {
    const { elements, withinMs } = this.#pattern;
    const base = { entry: null, isLeavable: false, nots: [], goesOn: ALWAYS };
    const final = this.#state("final", null);
    const start = this.#sequence({ ...base, elements }, final);
    const states = this.#states.map((state, id) => {
      return { ...state, isCompleteAtTimeout: this.#leadsToPending(id, new Set()) };
    });
    const conditionCount = this.#conditions.length;
    const automaton = { states, start, steps: this.#steps, conditionCount, withinMs };
    return { automaton, conditions: this.#conditions };
  }

  /** The states of a sequence that ends in `sink`; gives the one it begins in. */
  #sequence(scope: Scope<C>, sink: number): number {
    let next = sink;
    for (let index = scope.elements.length - 1; index >= 0; index--) {
      const element = scope.elements[index] as ElementDefinition<C>;
      const place = { scope, index, element };
      if (element.contiguity === "notNext" && index > 0) next = this.#notNext(place, next);
      else if (element.contiguity !== "notFollowedBy" || index === 0) {
        next = this.#element(place, next);
      } else if (this.#states[next]?.kind === "final") next = this.#pending(place);
    }
    return next;
  }

  /** A `notFollowedBy` at the end: waits for the time to run out. */
  #pending(place: Place<C>): number {
    const pending = this.#state("pending", place.element);
    const forbidden = [this.#forbids(place), ...this.#nots(place)];
    this.#stop(pending, forbidden);
    const guard = and(...forbidden.map((one) => not(one.guard)));
    this.#edge(pending, "ignore", { guard, target: pending });
    return pending;
  }

  /** The very next event decides; at the end of a pattern it has to come. */
  #notNext(place: Place<C>, next: number): number {
    const state = this.#state("normal", place.element);
    const forbidden = [this.#forbids(place), ...this.#nots(place)];
    const kind = this.#states[next]?.kind === "final" ? "ignore" : "proceed";
    const guard = and(...forbidden.map((one) => not(one.guard)));
    this.#edge(state, kind, { guard, target: next });
    this.#stop(state, forbidden);
    return state;
  }

  #element(place: Place<C>, sink: number): number {
    const { quantifier } = place.element;
    const { min, max, isOptional, isGreedy } = quantifier;
    const more = max === null ? 0 : max - min;
    if (isGreedy && (max === null || more > 0)) this.#guardGreedily(place, sink);
    // With an event taken, what was forbidden before this optional element is allowed again.
    const lifted = this.#lift(place, sink);
    let next = max === null ? this.#looping(place, lifted) : lifted;
    for (let i = 0; i < more + min - 1; i++) {
      const proceed = i < more ? lifted : null;
      const entry = outer(quantifier.inner);
      next = this.#once(place, { sink: next, entry, proceed, isFirst: false });
    }
    const { contiguity } = place.element;
    const entry = place.index === 0 ? (place.scope.entry ?? contiguity) : contiguity;
    const proceed = isOptional ? sink : null;
    return this.#once(place, { sink: next, entry, proceed, isFirst: true });
  }

  /** The state of a loop without limit, behind its required repeats. */
  #looping(place: Place<C>, sink: number): number {
    const { element } = place;
    const entry = outer(element.quantifier.inner);
    if (element.kind === "group") {
      // Behind its last step a run may begin again or go on.
      const again = this.#state("normal", element);
      const scope = { ...this.#inside(place, { entry, isLeavable: true }), nots: [] };
      const first = this.#sequence(scope, again);
      this.#edge(first, "proceed", { guard: ALWAYS, target: sink });
      this.#edge(again, "proceed", { guard: ALWAYS, target: first });
      return first;
    }
    const take = and(this.#goesOn(element), this.#fits(place));
    const ignore = this.#ignore(place, entry, false);
    const looping = this.#state("normal", element);
    this.#leave(looping, element, sink);
    this.#edge(looping, "take", { guard: take, target: looping });
    this.#stopsOfFollower(place, looping);
    if (ignore === null) return looping;
    // Once an event was passed over, the way out has been taken by a run of its own.
    const waiting = this.#state("normal", element, false);
    this.#edge(waiting, "take", { guard: take, target: looping });
    this.#edge(waiting, "ignore", { guard: ignore, target: waiting });
    this.#edge(looping, "ignore", { guard: ignore, target: waiting });
    this.#stopsOfFollower(place, waiting);
    return looping;
  }

  /** A state that takes one event of a step, or the states of one round of a group. */
  #once(place: Place<C>, taking: Taking): number {
    const { element, scope, index } = place;
    const { sink, entry, proceed, isFirst } = taking;
    const isHeadLeavable = isFirst && index === 0 && scope.isLeavable;
    const nots = isFirst ? this.#nots(place) : [];
    if (element.kind === "group") {
      const isLeavable = proceed !== null || isHeadLeavable;
      const inside = { ...this.#inside(place, { entry, isLeavable }), nots };
      const first = this.#sequence(inside, sink);
      if (proceed !== null) this.#edge(first, "proceed", { guard: ALWAYS, target: proceed });
      return first;
    }
    const isLoop = element.quantifier.max !== 1;
    const take = and(isLoop ? this.#goesOn(element) : ALWAYS, this.#fits(place));
    const ignore = this.#ignore(place, entry, isFirst);
    const state = this.#state("normal", element);
    // A run may come here from a loop, whose rules it waited under: taking checks the gap, too.
    const gapMs = isLoop ? null : element.gapMs;
    this.#edge(state, "take", { guard: take, target: sink, gapMs });
    if (proceed !== null) this.#leave(state, element, proceed);
    this.#stop(state, nots);
    if (!isFirst) this.#stopsOfFollower(place, state);
    if (ignore === null) return state;
    if (proceed === null && !isHeadLeavable) {
      this.#edge(state, "ignore", { guard: ignore, target: state });
      return state;
    }
    const waiting = this.#state("normal", element, false);
    this.#edge(waiting, "take", { guard: take, target: sink, gapMs });
    this.#edge(waiting, "ignore", { guard: ignore, target: waiting });
    this.#stop(waiting, nots);
    if (!isFirst) this.#stopsOfFollower(place, waiting);
    this.#edge(state, "ignore", { guard: ignore, target: waiting });
    return state;
  }

  /** The way past an element that may be left out or repeated no more. */
  #leave(state: number, element: ElementDefinition<C>, target: number): void {
    const unguarded = this.#unguarded.get(target);
    if (element.until === null || unguarded === undefined) {
      this.#edge(state, "proceed", { guard: ALWAYS, target });
      return;
    }
    const ends = holds(this.#condition(element.until));
    this.#edge(state, "proceed", { guard: ends, target: unguarded });
    this.#edge(state, "proceed", { guard: not(ends), target });
  }

  /** Forbids what follows a greedy loop every event that the loop would take. */
  #guardGreedily(place: Place<C>, sink: number): void {
    const { element } = place;
    if (element.until !== null) this.#unguarded.set(sink, this.#copy(sink));
    const taken = and(element.quantifier.max === null ? ALWAYS : this.#goesOn(element));
    const guard = not(and(taken, this.#fits(place)));
    const { edges } = this.#states[sink] as MutableState;
    edges.forEach((edge, i) => {
      edges[i] = { ...edge, guard: and(edge.guard, guard) };
    });
  }

  #inside(
    { element, scope }: Place<C>,
    how: { readonly entry: Contiguity; readonly isLeavable: boolean },
  ): Omit<Scope<C>, "nots"> {
    const { elements } = element as GroupDefinition<C>;
    return { ...how, elements, goesOn: and(scope.goesOn, this.#goesOn(element)) };
  }

  /** That an event fits a step, `until` aside. */
  #fits({ element, scope }: Place<C>): Guard {
    if (element.kind === "group" || element.where === null) return scope.goesOn;
    return and(scope.goesOn, holds(this.#condition(element.where)));
  }

  /** What may be passed over before an event of a step; null for nothing. */
  #ignore(place: Place<C>, entry: Contiguity, isFirst: boolean): Guard | null {
    if (entry === "next") return null;
    const rest = entry === "followedBy" ? not(this.#fits(place)) : ALWAYS;
    // `until` does not guard what is passed over before the loop begins.
    const goesOn = isFirst ? ALWAYS : this.#goesOn(place.element);
    return and(place.scope.goesOn, rest, goesOn);
  }

  /** That the element's own `until` does not hold. */
  #goesOn({ until }: ElementDefinition<C>): Guard {
    return until === null ? ALWAYS : not(holds(this.#condition(until)));
  }

  /** What is forbidden before this element: by not-steps right before it, or before optionals. */
  #nots(place: Place<C>): Guarded[] {
    const { scope } = place;
    const nots: Guarded[] = [];
    for (let index = place.index - 1; index >= 0; index--) {
      const element = scope.elements[index] as ElementDefinition<C>;
      if (element.contiguity === "notFollowedBy" && index > 0) {
        nots.push(this.#forbids({ scope, index, element }));
      } else if (!element.quantifier.isOptional && element.contiguity !== "notNext") return nots;
    }
    return [...nots, ...scope.nots];
  }

  #forbids(place: Place<C>): Guarded {
    return { guard: this.#fits(place), step: this.#stepOf(place.element) };
  }

  /** A `notFollowedBy` after a loop forbids already while the loop may end. */
  #stopsOfFollower({ scope, index }: Place<C>, state: number): void {
    for (let next = index + 1; next < scope.elements.length; next++) {
      const element = scope.elements[next] as ElementDefinition<C>;
      if (element.contiguity !== "notFollowedBy") return;
      this.#stop(state, [this.#forbids({ scope, index: next, element })]);
    }
  }

  #stop(state: number, nots: readonly Guarded[]): void {
    for (const { guard, step } of nots) this.#edge(state, "stop", { guard, target: state, step });
  }

  /** The states behind an optional element, without what was forbidden before it. */
  #lift(place: Place<C>, sink: number): number {
    if (!place.element.quantifier.isOptional) return sink;
    const steps = this.#nots(place).map(({ step }) => step);
    if (steps.length === 0) return sink;
    const lifted = this.#copyWithout(sink, steps);
    const unguarded = this.#unguarded.get(sink);
    if (unguarded !== undefined) this.#unguarded.set(lifted, this.#copyWithout(unguarded, steps));
    return lifted;
  }

  #copyWithout(from: number, steps: readonly number[]): number {
    const copy = this.#copy(from);
    const { edges } = this.#states[copy] as MutableState;
    const kept = edges.filter((edge) => edge.kind !== "stop" || !steps.includes(edge.step));
    edges.length = 0;
    for (const edge of kept) {
      const isOn = edge.kind === "proceed";
      edges.push({ ...edge, target: isOn ? this.#copyWithout(edge.target, steps) : edge.target });
    }
    return copy;
  }

  #copy(from: number): number {
    const state = this.#states[from] as MutableState;
    const copy = this.#states.length;
    const edges = state.edges.map((edge) => {
      return edge.target === from ? { ...edge, target: copy } : edge;
    });
    this.#states.push({ ...state, edges });
    return copy;
  }

  #state(
    kind: AutomatonState["kind"],
    element: ElementDefinition<C> | null,
    isTaking = true,
  ): number {
    const step = element === null ? -1 : this.#stepOf(element);
    const gapMs = element === null || !isTaking ? null : this.#gapOf(element);
    this.#states.push({ kind, step, gapMs, edges: [], isCompleteAtTimeout: false });
    return this.#states.length - 1;
  }

  /** A loop's gap reaches as far as in Flink: not to the state made first, its last repeat. */
  #gapOf(element: ElementDefinition<C>): number | null {
    if (element.kind === "group") return null;
    if (element.quantifier.max === 1) return element.gapMs;
    if (this.#loopsWithState.has(element)) return element.quantifier.gapMs;
    this.#loopsWithState.add(element);
    return null;
  }

  #edge(from: number, kind: EdgeKind, to: Pick<Edge, "guard" | "target"> & Partial<Edge>): void {
    if (isNever(to.guard)) return;
    const state = this.#states[from] as MutableState;
    state.edges.push({ kind, step: state.step, gapMs: null, ...to });
  }

  #condition(condition: C): number {
    const known = this.#indices.get(condition);
    if (known !== undefined) return known;
    this.#indices.set(condition, this.#conditions.length);
    return this.#conditions.push(condition) - 1;
  }

  /** The step of an element, a group's being its first. */
  #stepOf(element: ElementDefinition<C>): number {
    if (element.kind === "step") return this.#steps.indexOf(element.name);
    const [head] = element.elements;
    assert(head !== undefined, "a group has a step");
    return this.#stepOf(head);
  }

  #leadsToPending(id: number, seen: Set<number>): boolean {
    const state = this.#states[id] as MutableState;
    if (state.kind === "pending") return true;
    if (seen.has(id)) return false;
    seen.add(id);
    const onward = state.edges.filter((e) => e.kind === "proceed" && e.guard.length === 0);
    return onward.some((edge) => this.#leadsToPending(edge.target, seen));
  }
}

/** What an inner contiguity is called between two steps. */
function outer(inner: InnerContiguity): Contiguity {
  if (inner === "consecutive") return "next";
  return inner === "relaxed" ? "followedBy" : "followedByAny";
}
