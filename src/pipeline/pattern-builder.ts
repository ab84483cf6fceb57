import { type Duration, parseDuration } from "../core/duration.js";
import type { Row } from "../core/row.js";
import type { SqlText } from "../expression/sql-text.js";
import {
  type AfterMatch,
  type Contiguity,
  type ElementDefinition,
  type GroupDefinition,
  ONCE,
  type PatternDefinition,
  type Quantifier,
  type StepDefinition,
} from "../operators/pattern/definition.js";
import type { MatchedRows } from "../operators/pattern/row-conditions.js";
import type { StepTest } from "./step-tests.js";

/** The rows a partial match has taken so far, by step, oldest first. */
export type Matched<R, S extends string> = { readonly [step in S]: readonly Readonly<R>[] };

/**
 * Whether a row fits a step: a function, or an expression in SQL, where `price` is the row's and
 * `bid.price` that of the last row taken for step `bid`. The row is valid during the call. A
 * function that takes the second argument is asked again for each partial match; it, too, must
 * depend on nothing else.
 */
export type StepCondition<R, S extends string> =
  | ((row: Readonly<R>, matched: Matched<R, S>) => boolean)
  | SqlText;

/** What happens after a match; see {@link AfterMatch}. */
export type SkipTo = "toNext" | "pastLast" | "noSkip";

/** How a loop repeats. */
export interface LoopOptions {
  /** Longest gap before each required repeat but the last of a limited loop. */
  readonly gap?: Duration;
}

/** A group of steps in a step's place. */
type Group<R> = Pattern<R, string>;

/**
 * A pattern as it is written, step by step; every call gives a new one. What follows a step's name
 * (`where`, `times`, `optional` …) is about that step, until the next one begins; behind a group it
 * is about the group. `within` and `afterMatch` are about the whole.
 */
export class Pattern<R, S extends string> {
  readonly #elements: readonly ElementDefinition<StepTest>[];
  readonly #withinMs: number | null;
  readonly #afterMatch: AfterMatch;

  constructor(definition: PatternDefinition<StepTest>) {
    this.#elements = definition.elements;
    this.#withinMs = definition.withinMs;
    this.#afterMatch = definition.afterMatch;
  }

  get definition(): PatternDefinition<StepTest> {
    const { elements, withinMs, afterMatch } = {
      elements: this.#elements,
      withinMs: this.#withinMs,
      afterMatch: this.#afterMatch,
    };
    return { elements, withinMs, afterMatch };
  }

  /** The row fits only if this holds, too. */
  where(condition: StepCondition<R, S>): Pattern<R, S> {
    return this.#condition(condition, "and");
  }

  /** The row fits also if this holds. */
  or(condition: StepCondition<R, S>): Pattern<R, S> {
    return this.#condition(condition, "or");
  }

  /** The very next row. */
  next<N extends string>(name: N): Pattern<R, S | N>;
  next(group: Group<R>): Pattern<R, S>;
  next(step: string | Group<R>): Pattern<R, string> {
    return this.#add(step, "next");
  }

  /** The next row that fits; those that do not are passed over. */
  followedBy<N extends string>(name: N): Pattern<R, S | N>;
  followedBy(group: Group<R>): Pattern<R, S>;
  followedBy(step: string | Group<R>): Pattern<R, string> {
    return this.#add(step, "followedBy");
  }

  /** Any later row that fits: each of them makes a match of its own. */
  followedByAny<N extends string>(name: N): Pattern<R, S | N>;
  followedByAny(group: Group<R>): Pattern<R, S>;
  followedByAny(step: string | Group<R>): Pattern<R, string> {
    return this.#add(step, "followedByAny");
  }

  /** The very next row must not fit. */
  notNext(name: string): Pattern<R, S> {
    return this.#add(name, "notNext") as Pattern<R, S>;
  }

  /** No row may fit until the next step, or at the end of a pattern until `within` is over. */
  notFollowedBy(name: string): Pattern<R, S> {
    return this.#add(name, "notFollowedBy") as Pattern<R, S>;
  }

  /** Exactly `min` times, or from `min` to `max`; from 0 makes it optional. */
  times(min: number, max: number = min, options: LoopOptions = {}): Pattern<R, S> {
    return this.#repeat({ min, max, options });
  }

  timesOrMore(min: number, options: LoopOptions = {}): Pattern<R, S> {
    return this.#repeat({ min, max: null, options });
  }

  oneOrMore(options: LoopOptions = {}): Pattern<R, S> {
    return this.#repeat({ min: 1, max: null, options });
  }

  /** The step may be left out. */
  optional(): Pattern<R, S> {
    return this.#quantify({ isOptional: true });
  }

  /** A row that fits the loop and the step behind it goes to the loop only. */
  greedy(): Pattern<R, S> {
    return this.#quantify({ isGreedy: true });
  }

  /** No other row between those of the loop. */
  consecutive(): Pattern<R, S> {
    return this.#quantify({ inner: "consecutive" });
  }

  /** Any choice of the loop's rows makes a match: their number doubles with each row. */
  allowCombinations(): Pattern<R, S> {
    return this.#quantify({ inner: "combinations" });
  }

  /** Ends the loop: it takes no row for which this holds, and none after it. */
  until(condition: StepCondition<R, S>): Pattern<R, S> {
    return this.#last((element) => ({ ...element, until: conditionOf(condition) }));
  }

  /** Longest time between the row taken before and this step's. */
  gap(longest: Duration): Pattern<R, S> {
    const gapMs = parseDuration(longest, "gap()");
    return this.#last((element) => (element.kind === "step" ? { ...element, gapMs } : element));
  }

  /** Longest time from the first row to the last; the shortest counts if there are several. */
  within(longest: Duration): Pattern<R, S> {
    const ms = parseDuration(longest, "within()");
    const withinMs = this.#withinMs === null ? ms : Math.min(ms, this.#withinMs);
    return new Pattern({ ...this.definition, withinMs });
  }

  /** Which other matches a match drops. Default: none. */
  afterMatch(rule: SkipTo): Pattern<R, S>;
  afterMatch(
    rule: "toFirst" | "toLast",
    step: S,
    options?: { readonly onMiss?: "noSkip" | "error" },
  ): Pattern<R, S>;
  afterMatch(
    to: AfterMatch["to"],
    step?: string,
    options: { readonly onMiss?: "noSkip" | "error" } = {},
  ): Pattern<R, S> {
    const isNamed = to === "toFirst" || to === "toLast";
    const afterMatch: AfterMatch = isNamed
      ? { to, step: step ?? "", onMiss: options.onMiss ?? "noSkip" }
      : { to };
    return new Pattern({ ...this.definition, afterMatch });
  }

  #condition(condition: StepCondition<R, S>, kind: "and" | "or"): Pattern<R, S> {
    const added = conditionOf(condition);
    return this.#last((element) => {
      const isFirst = element.kind === "group" || element.where === null;
      const where: StepTest = isFirst ? added : { kind, of: [element.where, added] };
      return { ...element, where };
    });
  }

  #repeat(times: {
    readonly min: number;
    readonly max: number | null;
    readonly options: LoopOptions;
  }): Pattern<R, S> {
    const { min, max, options } = times;
    const gapMs = options.gap === undefined ? null : parseDuration(options.gap, "times({ gap })");
    return this.#quantify({
      min: min === 0 ? 1 : min,
      max,
      gapMs,
      ...(min === 0 ? { isOptional: true } : {}),
    });
  }

  #quantify(change: Partial<Quantifier>): Pattern<R, S> {
    return this.#last((element) => {
      return { ...element, quantifier: { ...element.quantifier, ...change } };
    });
  }

  #last(
    change: (element: ElementDefinition<StepTest>) => ElementDefinition<StepTest>,
  ): Pattern<R, S> {
    const elements = this.#elements.map((element, i) =>
      i === this.#elements.length - 1 ? change(element) : element,
    );
    return new Pattern({ ...this.definition, elements });
  }

  #add(step: string | Group<R>, contiguity: Contiguity): Pattern<R, string> {
    const added = typeof step === "string" ? stepOf(step, contiguity) : groupOf(step, contiguity);
    return new Pattern({ ...this.definition, elements: [...this.#elements, added] });
  }
}

/** Begins a pattern over rows of type `R`, or a group of steps. */
export function pattern<R, S extends string = string>(name: S): Pattern<R, S> {
  return new Pattern({
    elements: [stepOf(name, "next")],
    withinMs: null,
    afterMatch: { to: "noSkip" },
  });
}

function conditionOf<R, S extends string>(condition: StepCondition<R, S>): StepTest {
  if (typeof condition !== "function") return condition;
  return {
    kind: "function",
    test: condition as unknown as (row: Row, matched: MatchedRows) => boolean,
    looksBack: condition.length > 1,
  };
}

function stepOf(name: string, contiguity: Contiguity): StepDefinition<StepTest> {
  return {
    kind: "step",
    name,
    contiguity,
    where: null,
    quantifier: ONCE,
    until: null,
    gapMs: null,
  };
}

function groupOf<R>(group: Group<R>, contiguity: Contiguity): GroupDefinition<StepTest> {
  const { elements } = group.definition;
  return { kind: "group", elements, contiguity, quantifier: ONCE, until: null };
}
