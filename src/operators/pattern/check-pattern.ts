import { TidemarkError } from "../../core/errors.js";
import {
  type ElementDefinition,
  isLoop,
  isNot,
  type PatternDefinition,
  type StepDefinition,
  stepsOf,
} from "./definition.js";

/**
 * Refuses a pattern that cannot mean anything, or not what it seems to: throws PLAN_INVALID with
 * the step and the reason. `name` is the pattern's, for the message.
 */
export function checkPattern<C>(name: string, pattern: PatternDefinition<C>): void {
  const reason = reasonAgainst(pattern);
  if (reason !== null) throw new TidemarkError("PLAN_INVALID", `Pattern "${name}": ${reason}`);
}

/** Whether a pattern could match no event at all; such a match is never given out. */
export function canBeEmpty<C>(elements: readonly ElementDefinition<C>[]): boolean {
  return elements.every(
    (element) =>
      isNot(element) ||
      element.quantifier.isOptional ||
      (element.kind === "group" && canBeEmpty(element.elements)),
  );
}

function reasonAgainst<C>(pattern: PatternDefinition<C>): string | null {
  const { elements, withinMs } = pattern;
  return (
    firstReason([
      () => against(withinMs !== null && !(withinMs > 0), "within takes a time above zero."),
      () => repeatedName(stepsOf(elements)),
      () => reasonInSequence(elements, false),
      () => notAtTheEnd(elements, withinMs),
      () => vacuousNot(elements),
      () => longGap(pattern),
      () => unknownSkip(pattern),
    ]) ?? null
  );
}

type Check = () => string | null;

function firstReason(checks: readonly Check[]): string | null {
  for (const check of checks) {
    const reason = check();
    if (reason !== null) return reason;
  }
  return null;
}

function against(isWrong: boolean, reason: string): string | null {
  return isWrong ? reason : null;
}

function repeatedName<C>(steps: readonly StepDefinition<C>[]): string | null {
  const names = steps.map((step) => step.name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  return against(twice !== undefined, `two steps are called "${twice}"; rename one.`);
}

function reasonInSequence<C>(
  elements: readonly ElementDefinition<C>[],
  isGroup: boolean,
): string | null {
  const [first] = elements;
  if (first === undefined) return `${isGroup ? "a group" : "it"} has no step.`;
  if (isNot(first)) {
    return `it begins with ${called(first)}, which forbids an event; begin with one to be taken.`;
  }
  if (isGroup && elements.at(-1)?.contiguity === "notFollowedBy") {
    const last = called(elements.at(-1));
    return (
      `${last} ends a group with notFollowedBy, where nothing says how long it holds; put the ` +
      "step behind it into the group."
    );
  }
  if (isGroup && canBeEmpty(elements)) {
    return `every step of the group of ${called(first)} may be left out; make the group so.`;
  }
  return firstReason(
    elements.map((element, i) => () => reasonAgainstElement(element, elements[i - 1])),
  );
}

function reasonAgainstElement<C>(
  element: ElementDefinition<C>,
  before: ElementDefinition<C> | undefined,
): string | null {
  const step = called(element);
  const { quantifier, until, kind } = element;
  const { min, max, isOptional, isGreedy, inner, gapMs } = quantifier;
  const repeats = isLoop(quantifier);
  const isPlain = !repeats && !isOptional && !isGreedy && until === null;
  const isCount = Number.isInteger(min) && min >= 1 && (max === null || max >= min);
  return firstReason([
    () => against(!isCount, `${step} repeats ${min} to ${max} times; it takes 1 or more.`),
    () => against(isNot(element) && kind === "group", `${step} forbids a group; forbid one event.`),
    () =>
      against(
        isNot(element) && !isPlain,
        `${step} forbids an event, so it cannot be optional, greedy or repeated.`,
      ),
    () =>
      against(
        isNot(element) && (before?.quantifier.isOptional ?? false),
        `${step} forbids an event right after ${called(before)}, which may be left out; make ` +
          "that step required.",
      ),
    () => against(until !== null && !repeats, `${step} has until, but does not repeat.`),
    () => against(inner !== "relaxed" && !repeats, `${step} is ${inner}, but does not repeat.`),
    () => against(gapMs !== null && !repeats, `${step} has a loop's gap, but does not repeat.`),
    () => against(isGreedy && !repeats, `${step} is greedy, but does not repeat.`),
    () => against(isGreedy && kind === "group", `${step} is a greedy group; make a step greedy.`),
    () =>
      against(
        isGreedy && inner === "combinations",
        `${step} is greedy and allows combinations, which contradict each other.`,
      ),
    () =>
      against(
        isOptional && (before?.quantifier.isGreedy ?? false),
        `${step} is optional right after the greedy ${called(before)}: what the loop leaves ` +
          "could not be told from what it takes.",
      ),
    () => (kind === "group" ? reasonInSequence(element.elements, true) : null),
  ]);
}

function notAtTheEnd<C>(
  elements: readonly ElementDefinition<C>[],
  withinMs: number | null,
): string | null {
  const last = elements.at(-1);
  if (last?.contiguity !== "notFollowedBy" || withinMs !== null) return null;
  if (last.kind === "step" && last.gapMs !== null) return null;
  return (
    `${called(last)} ends it with notFollowedBy, so it takes within: when that time is over, ` +
    "nothing forbidden came."
  );
}

/** With only optional steps behind it, the match is out before the forbidden event can come. */
function vacuousNot<C>(elements: readonly ElementDefinition<C>[]): string | null {
  let rest = elements.length;
  while (rest > 0 && elements[rest - 1]?.quantifier.isOptional) rest--;
  const before = elements[rest - 1];
  if (rest === elements.length || before === undefined || !isNot(before)) return null;
  return (
    `${called(before)} forbids nothing, because every step behind it may be left out and the ` +
    "match is complete before; make one required, or end with notFollowedBy and within."
  );
}

function longGap<C>({ elements, withinMs }: PatternDefinition<C>): string | null {
  const long = stepsOf(elements).find(
    ({ gapMs }) => gapMs !== null && (!(gapMs > 0) || (withinMs !== null && gapMs > withinMs)),
  );
  return against(
    long !== undefined,
    `the gap before ${called(long)} takes a time above zero, and not above the pattern's within.`,
  );
}

function unknownSkip<C>({ elements, afterMatch }: PatternDefinition<C>): string | null {
  if (!("step" in afterMatch)) return null;
  const names = stepsOf(elements)
    .filter((step) => !isNot(step))
    .map((step) => step.name);
  const isKnown = names.includes(afterMatch.step);
  return against(
    !isKnown,
    `after a match it skips to "${afterMatch.step}", which is no step that takes events; it ` +
      `has ${names.join(", ")}.`,
  );
}

function called<C>(element: ElementDefinition<C> | undefined): string {
  if (element === undefined) return "it";
  if (element.kind === "step") return `"${element.name}"`;
  const [head] = stepsOf([element]);
  return `the group of "${head?.name ?? ""}"`;
}
