import { TidemarkError } from "../../core/errors.js";
import type { AfterMatch } from "./definition.js";
import { type Completed, compareEvents, type PatternEvent, takenOf } from "./run.js";

/**
 * What a match that is given out does to others: tells whether one that begins with `first` is
 * dropped. `step` is the index of the step that the rule names, -1 if none. Throws PATTERN_SKIP
 * when the rule is to fail on a miss.
 */
export function dropsAfter<E extends PatternEvent>(
  rule: AfterMatch,
  step: number,
  match: Completed<E>,
): (first: E) => boolean {
  switch (rule.to) {
    case "noSkip":
      return () => false;
    case "toNext":
      return (first) => compareEvents(first, match.first) <= 0;
    case "pastLast":
      return (first) => compareEvents(first, match.last.event) <= 0;
  }
  const events = takenOf(match.last).filter((taken) => taken.step === step);
  const target = (rule.to === "toFirst" ? events[0] : events.at(-1))?.event;
  const isStuck = target !== undefined && compareEvents(target, match.first) === 0;
  if (rule.onMiss === "error" && (target === undefined || isStuck)) {
    const miss = isStuck ? "begins with the event" : "has no event";
    throw new TidemarkError(
      "PATTERN_SKIP",
      `A match ${miss} of "${rule.step}" that the next one is to skip to. Make the step required ` +
        'and not the first, or say onMiss: "noSkip".',
      { detail: { step: rule.step } },
    );
  }
  if (target === undefined) return () => false;
  return (first) => compareEvents(first, target) < 0;
}
