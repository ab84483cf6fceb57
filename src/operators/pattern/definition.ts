/**
 * How a step follows the one before it. `next`: the very next event. `followedBy`: the next event
 * that fits, skipping those that do not. `followedByAny`: any later event that fits. `notNext`: the
 * very next event must not fit. `notFollowedBy`: no event may fit until the next step takes one.
 */
export type Contiguity = "next" | "followedBy" | "followedByAny" | "notNext" | "notFollowedBy";

/** How the events of a loop follow each other; within a step or group, after its first event. */
export type InnerContiguity = "consecutive" | "relaxed" | "combinations";

/** How often a step or group happens. */
export interface Quantifier {
  /** At least 1; a pattern that may be left out is `isOptional`. */
  readonly min: number;
  /** `null`: no limit. */
  readonly max: number | null;
  readonly isOptional: boolean;
  /** An event that fits both the loop and the step after it goes to the loop only. */
  readonly isGreedy: boolean;
  readonly inner: InnerContiguity;
  /**
   * Longest gap before an event of the loop, in milliseconds, exclusive. As in Flink it holds for
   * the required repeats but the last of a limited loop, and for no others.
   */
  readonly gapMs: number | null;
}

/** Exactly once: what a step is without a quantifier. */
export const ONCE: Quantifier = {
  min: 1,
  max: 1,
  isOptional: false,
  isGreedy: false,
  inner: "relaxed",
  gapMs: null,
};

/** One event, or a loop of them. `C` is what a condition is. */
export interface StepDefinition<C> {
  readonly kind: "step";
  readonly name: string;
  /** Of no meaning for the first step of a pattern or group. */
  readonly contiguity: Contiguity;
  /** Null takes every event. */
  readonly where: C | null;
  readonly quantifier: Quantifier;
  /** Ends a loop: an event that fits is neither taken nor skipped by it. */
  readonly until: C | null;
  /** Longest time since the event taken before, in milliseconds, exclusive. */
  readonly gapMs: number | null;
}

/** A sequence that takes a step's place. Events of all rounds gather under their steps' names. */
export interface GroupDefinition<C> {
  readonly kind: "group";
  readonly elements: readonly ElementDefinition<C>[];
  readonly contiguity: Contiguity;
  readonly quantifier: Quantifier;
  readonly until: C | null;
}

export type ElementDefinition<C> = StepDefinition<C> | GroupDefinition<C>;

/**
 * What happens to others when a match is given out; "start" is a match's first event.
 * `noSkip`: nothing. `toNext`: those that start with it are dropped. `pastLast`: those that start
 * up to its last event. `toFirst`, `toLast`: those that start before the first or last event of
 * `step`.
 */
export type AfterMatch =
  | { readonly to: "noSkip" | "toNext" | "pastLast" }
  | {
      readonly to: "toFirst" | "toLast";
      readonly step: string;
      /** When the match has no event of `step`: drop nothing, or fail with PATTERN_SKIP. */
      readonly onMiss: "noSkip" | "error";
    };

/** A pattern as a plain value. */
export interface PatternDefinition<C> {
  readonly elements: readonly ElementDefinition<C>[];
  /** Longest time from the first to the last event, in milliseconds, exclusive. */
  readonly withinMs: number | null;
  readonly afterMatch: AfterMatch;
}

/** Whether an element forbids events instead of taking them. */
export function isNot<C>(element: ElementDefinition<C>): boolean {
  return element.contiguity === "notNext" || element.contiguity === "notFollowedBy";
}

/** Whether a quantifier repeats. */
export function isLoop({ min, max }: Quantifier): boolean {
  return max !== 1 || min > 1;
}

/** The steps of a pattern in order, those of groups included. */
export function stepsOf<C>(elements: readonly ElementDefinition<C>[]): StepDefinition<C>[] {
  return elements.flatMap((element) =>
    element.kind === "step" ? [element] : stepsOf(element.elements),
  );
}
