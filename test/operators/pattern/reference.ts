// A matcher by brute force: tries every choice of events for the steps of a pattern and keeps those
// that the rules allow. It knows sequences, loops, absence and windows, and no automaton.
import {
  isNot,
  type PatternDefinition,
  type StepDefinition,
} from "../../../src/operators/pattern/definition.js";

/** An event: when, what it is, and a number that conditions compare. */
export interface Letter {
  readonly ms: number;
  readonly letter: string;
  readonly value: number;
}

/** Fits some letters, and perhaps only above the first event's value. */
export interface LetterCondition {
  readonly letters: string;
  readonly isAboveFirst: boolean;
}

/** An event taken for a step. */
interface Choice {
  readonly step: number;
  readonly event: number;
}

/** Whether an event fits; a condition that looks back holds while nothing was taken. */
export function fits(
  condition: LetterCondition | null,
  event: Letter,
  first: Letter | undefined,
): boolean {
  if (condition === null) return true;
  if (!condition.letters.includes(event.letter)) return false;
  return !condition.isAboveFirst || first === undefined || event.value > first.value;
}

/** All matches, each as `step:event` in the order of events, sorted. Time is over at the end. */
export function referenceMatches(
  pattern: PatternDefinition<LetterCondition>,
  events: readonly Letter[],
): string[] {
  return new Reference(pattern, events).matches().sort();
}

class Reference {
  readonly #steps: readonly StepDefinition<LetterCondition>[];
  readonly #withinMs: number;
  readonly #events: readonly Letter[];
  readonly #found: string[] = [];

  constructor(pattern: PatternDefinition<LetterCondition>, events: readonly Letter[]) {
    this.#steps = pattern.elements as StepDefinition<LetterCondition>[];
    this.#withinMs = pattern.withinMs ?? Number.POSITIVE_INFINITY;
    this.#events = events;
  }

  matches(): string[] {
    for (let event = 0; event < this.#events.length; event++) {
      for (const step of this.#reachable(-1)) this.#choose([], { step, event }, 1);
    }
    return this.#found;
  }

  /** Steps that may take the next event after step `from` is left: up to the first required one. */
  #reachable(from: number): number[] {
    const reachable: number[] = [];
    for (let step = from + 1; step < this.#steps.length; step++) {
      const definition = this.#steps[step] as StepDefinition<LetterCondition>;
      if (isNot(definition)) continue;
      reachable.push(step);
      if (!definition.quantifier.isOptional) break;
    }
    return reachable;
  }

  /** Takes an event as the `count`-th of its step, if that is allowed, and goes on from there. */
  #choose(before: readonly Choice[], choice: Choice, count: number): void {
    const verdict = this.#judge(before, choice, count);
    if (verdict === "forbidden") return;
    const chain = [...before, choice];
    const { quantifier } = this.#step(choice.step);
    const mayLeave = count >= quantifier.min;
    if (mayLeave && this.#isComplete(chain, verdict === "last")) {
      this.#found.push(chain.map(({ step, event }) => `${step}:${event}`).join(" "));
    }
    if (verdict === "last") return;
    for (let event = choice.event + 1; event < this.#events.length; event++) {
      if (quantifier.max === null || count < quantifier.max) {
        this.#choose(chain, { step: choice.step, event }, count + 1);
      }
      if (!mayLeave) continue;
      for (const step of this.#reachable(choice.step)) this.#choose(chain, { step, event }, 1);
    }
  }

  /** "last": allowed, but only if the match ends here, since the event is a forbidden one, too. */
  #judge(
    before: readonly Choice[],
    choice: Choice,
    count: number,
  ): "allowed" | "last" | "forbidden" {
    const step = this.#step(choice.step);
    const isLoop = step.quantifier.max !== 1;
    if (!this.#fits(choice.step, choice.event, before)) return "forbidden";
    if (isLoop && this.#ends(step, choice.event, before)) return "forbidden";
    if (!this.#leavesGreedily(before, choice, count)) return "forbidden";
    const previous = before.at(-1);
    if (previous === undefined) return "allowed";
    if (!this.#isInTime(before, choice, count)) return "forbidden";
    const passed = range(previous.event + 1, choice.event);
    if (!passed.every((event) => this.#mayPass(event, choice.step, before, count))) {
      return "forbidden";
    }
    const nots = this.#nots(previous.step, choice.step, count);
    const isNext = nots.some(
      (not) =>
        this.#step(not).contiguity === "notNext" && this.#fits(not, previous.event + 1, before),
    );
    const follows = nots.filter((not) => this.#step(not).contiguity === "notFollowedBy");
    const isForbidden = (event: number) => follows.some((not) => this.#fits(not, event, before));
    if (isNext || passed.some(isForbidden)) return "forbidden";
    return isForbidden(choice.event) ? "last" : "allowed";
  }

  /** What is forbidden between the event before and this one. */
  #nots(from: number, to: number, count: number): number[] {
    if (count === 1) return range(from + 1, to).filter((step) => isNot(this.#step(step)));
    let end = to + 1;
    while (end < this.#steps.length && isNot(this.#step(end))) end++;
    // A loop that may end is already at what must not follow it; until then only notFollowedBy is.
    const mayLeave = count - 1 >= this.#step(to).quantifier.min;
    return range(to + 1, end).filter(
      (step) => mayLeave || this.#step(step).contiguity === "notFollowedBy",
    );
  }

  #mayPass(event: number, to: number, before: readonly Choice[], count: number): boolean {
    const step = this.#step(to);
    const inner = { consecutive: "next", relaxed: "followedBy", combinations: "followedByAny" };
    const contiguity = count === 1 ? step.contiguity : inner[step.quantifier.inner];
    if (contiguity === "next") return false;
    if (count > 1 && this.#ends(step, event, before)) return false;
    return contiguity === "followedByAny" || !this.#fits(to, event, before);
  }

  /** Behind a greedy loop no event is passed or taken that the loop would take. */
  #leavesGreedily(before: readonly Choice[], choice: Choice, count: number): boolean {
    const loop = this.#steps[choice.step - 1];
    if (count > 1 || loop === undefined || !loop.quantifier.isGreedy) return true;
    if (loop.quantifier.min === loop.quantifier.max) return true; // nothing to be greedy for
    const from = (before.at(-1)?.event ?? choice.event - 1) + 1;
    return range(from, choice.event + 1).every(
      (event) => !this.#fits(choice.step - 1, event, before),
    );
  }

  #isInTime(before: readonly Choice[], choice: Choice, count: number): boolean {
    const ms = this.#event(choice.event).ms;
    const [first] = before;
    const last = before.at(-1);
    if (first !== undefined && ms - this.#event(first.event).ms >= this.#withinMs) return false;
    const { gapMs } = this.#step(choice.step);
    if (gapMs === null || count > 1 || last === undefined) return true;
    return ms - this.#event(last.event).ms < gapMs;
  }

  /** Whether what is left of the pattern may be left out, or is an absence that holds. */
  #isComplete(chain: readonly Choice[], isLast: boolean): boolean {
    const { step, event } = chain.at(-1) as Choice;
    const rest = range(step + 1, this.#steps.length);
    const nots = rest.filter((one) => isNot(this.#step(one)));
    if (nots.length === 0) return rest.every((one) => this.#step(one).quantifier.isOptional);
    if (nots.length < rest.length || isLast) return false;
    const later = range(event + 1, this.#events.length).filter((one) => this.#isEarly(one, chain));
    const isForbidden = (one: number) => nots.some((not) => this.#fits(not, one, chain));
    if (this.#step(rest[0] as number).contiguity === "notFollowedBy")
      return !later.some(isForbidden);
    return later[0] === event + 1 && !isForbidden(event + 1);
  }

  #isEarly(event: number, chain: readonly Choice[]): boolean {
    return this.#event(event).ms - this.#event((chain[0] as Choice).event).ms < this.#withinMs;
  }

  #ends(step: StepDefinition<LetterCondition>, event: number, before: readonly Choice[]): boolean {
    return step.until !== null && fits(step.until, this.#event(event), this.#first(before));
  }

  #fits(step: number, event: number, before: readonly Choice[]): boolean {
    return fits(this.#step(step).where, this.#event(event), this.#first(before));
  }

  #first(before: readonly Choice[]): Letter | undefined {
    return before[0] === undefined ? undefined : this.#event(before[0].event);
  }

  #step(step: number): StepDefinition<LetterCondition> {
    return this.#steps[step] as StepDefinition<LetterCondition>;
  }

  #event(event: number): Letter {
    return this.#events[event] as Letter;
  }
}

function range(from: number, to: number): number[] {
  return Array.from({ length: Math.max(0, to - from) }, (_, i) => from + i);
}
