// Published CEP vectors: pattern, events and the matches Apache Flink's own tests expect. The
// folder in the environment variable VECTORS_DIR, in the same format, is run instead when set.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { canBeEmpty, checkPattern } from "../../src/operators/pattern/check-pattern.js";
import { compilePattern } from "../../src/operators/pattern/compile-pattern.js";
import { takenOf } from "../../src/operators/pattern/run.js";
import { definitionOf, type VectorEvent } from "./cep-format.js";
import { type FeedEntry, type Output, type Steps, type VectorInput, VectorRun } from "./cep-run.js";

const folder =
  process.env["VECTORS_DIR"] ?? new URL("../fixtures/cep-vectors", import.meta.url).pathname;

interface StateCheck {
  readonly afterEvent?: number;
  readonly afterFeed?: number;
  readonly advanceTimeTo?: number;
  readonly partialMatches?: number;
  readonly currentSteps?: readonly string[];
  readonly bufferedEvents?: number;
  readonly key?: unknown;
  readonly retainsPartialMatches?: boolean;
}

interface Vector extends VectorInput {
  readonly id: string;
  readonly mode?: "operator";
  readonly feed?: readonly FeedEntry[];
  readonly expected?: readonly (readonly string[])[] | null;
  readonly expectedSteps?: readonly Steps[] | null;
  readonly derivedExpected?: readonly (readonly string[])[];
  readonly derivedSteps?: readonly Steps[];
  readonly expectedCount?: number;
  readonly ordered?: boolean;
  readonly timeoutHandling?: boolean;
  readonly expectedTimeouts?: readonly {
    readonly steps: Steps;
    readonly t?: number;
    readonly processingTime?: number;
  }[];
  readonly expectedLate?: readonly string[];
  readonly expectedOutput?: readonly Record<string, unknown>[];
  readonly outputFromFeed?: number;
  readonly stateChecks?: readonly StateCheck[];
  readonly expectError?: unknown;
  readonly invalidPattern?: unknown;
  readonly canBeEmpty?: boolean;
  readonly effectiveWithinMs?: number;
  readonly effectiveStepWithinMs?: Readonly<Record<string, number>>;
}

const vectors = readdirSync(folder)
  .filter((file) => file.endsWith(".json"))
  .sort()
  .flatMap((file) => JSON.parse(readFileSync(join(folder, file), "utf8")) as Vector[]);

/** Deviation 4: refused here, because the source gives the match out before the not can count. */
const isVacuous = (vector: Vector): boolean => {
  const steps = [...vector.pattern.steps];
  const isOptional = ({ quantifier: q }: (typeof steps)[number]) =>
    q !== undefined && (q.optional === true || (q.kind !== "one" && q.from === 0));
  let rest = steps.length;
  while (rest > 0 && isOptional(steps[rest - 1] as (typeof steps)[number])) rest--;
  return rest < steps.length && (steps[rest - 1]?.contiguity?.startsWith("not") ?? false);
};

const isRun = (vector: Vector): boolean => vector.invalidPattern === undefined;

describe("a pattern that cannot mean anything is refused", () => {
  const refused = vectors.filter((vector) => !isRun(vector));
  test.each(refused.map((v) => [v.id, v] as const))("%s", (_, vector) => {
    expect(() => checkPattern("p", definitionOf(vector.pattern))).toThrow(/^Pattern "p": /);
  });
});

describe("a not before an optional end is refused (deviation 4)", () => {
  const refused = vectors.filter((vector) => isRun(vector) && isVacuous(vector));
  test.each(refused.map((v) => [v.id, v] as const))("%s", (_, vector) => {
    expect(() => checkPattern("p", definitionOf(vector.pattern))).toThrow(/forbids nothing/);
  });
});

describe("published results", () => {
  const run = vectors.filter((vector) => isRun(vector) && !isVacuous(vector));
  test.each(run.map((v) => [v.id, v] as const))("%s", (_, vector) => {
    const definition = definitionOf(vector.pattern);
    if (vector.canBeEmpty !== undefined) {
      expect(canBeEmpty(definition.elements)).toBe(vector.canBeEmpty);
    }
    // Patterns that may be empty are static cases without events.
    if (vector.events.length === 0 && vector.feed === undefined) {
      expectStatic(vector);
      return;
    }
    checkPattern("p", definition);
    if (vector.expectError !== undefined) {
      expect(() => playAll(vector)).toThrow();
      return;
    }
    expectResults(vector, playAll(vector));
  });
});

function playAll(vector: Vector): VectorRun {
  const run = new VectorRun(vector);
  if (vector.mode === "operator") {
    vector.feed?.forEach((entry, index) => {
      run.feed(entry);
      expectState(vector, run, { afterFeed: index + 1 });
    });
    return run;
  }
  vector.events.forEach((event: VectorEvent, index) => {
    run.offer(event);
    expectState(vector, run, { afterEvent: index + 1 });
  });
  return run;
}

function expectState(vector: Vector, run: VectorRun, at: StateCheck): void {
  for (const check of vector.stateChecks ?? []) {
    if (check.afterEvent !== at.afterEvent || check.afterFeed !== at.afterFeed) continue;
    if (check.advanceTimeTo !== undefined) run.advance(check.advanceTimeTo);
    const runs = run.runs(check.key);
    if (check.partialMatches !== undefined) expect(runs).toHaveLength(check.partialMatches);
    if (check.currentSteps !== undefined) {
      expect(runs.map(({ step }) => step).sort()).toEqual([...check.currentSteps].sort());
    }
    if (check.retainsPartialMatches !== undefined) {
      expect(runs.length > 0).toBe(check.retainsPartialMatches);
    }
    if (check.bufferedEvents !== undefined) {
      const events = runs.flatMap(({ last }) => takenOf(last).map(({ event }) => event));
      expect(new Set(events).size).toBe(check.bufferedEvents);
    }
  }
}

function expectResults(vector: Vector, run: VectorRun): void {
  const steps = run.outputs.flatMap((output) => ("match" in output ? [output.match] : []));
  const matches = steps.map((match) => sorted(Object.values(match).flat()));
  const expected = vector.expected ?? vector.derivedExpected;
  if (vector.expectedCount !== undefined) expect(matches).toHaveLength(vector.expectedCount);
  if (expected !== undefined) {
    const events = expected.map((match) => sorted(match));
    expect(sorted(matches.map(text))).toEqual(sorted(events.map(text)));
  }
  const named = vector.expectedSteps ?? vector.derivedSteps;
  if (named !== undefined && named !== null) {
    expect(sorted(steps.map(stepText))).toEqual(sorted(named.map(stepText)));
  }
  if (vector.expectedLate !== undefined) {
    expect(sorted(run.late)).toEqual(sorted(vector.expectedLate));
  }
  expectTimeouts(vector, run.outputs);
  if (vector.expectedOutput !== undefined) expectOutput(vector, run);
}

function expectTimeouts(vector: Vector, outputs: readonly Output[]): void {
  if (vector.expectedTimeouts === undefined) return;
  const timeouts = outputs.flatMap((output) => ("timeout" in output ? [output] : []));
  const lines = (all: typeof vector.expectedTimeouts) =>
    sorted(all.map(({ steps, t }) => `${stepText(steps)} @${t ?? ""}`));
  const isStamped = vector.expectedTimeouts.some(({ t }) => t !== undefined);
  expect(
    lines(timeouts.map(({ timeout, t }) => ({ steps: timeout, ...(isStamped ? { t } : {}) }))),
  ).toEqual(lines(vector.expectedTimeouts));
}

/** What is asserted of the sequence: timeouts have their own order in the source. */
function expectOutput(vector: Vector, run: VectorRun): void {
  const asserted = vector.expectedOutput ?? [];
  const hasTimeouts = asserted.some((entry) => "timeout" in entry);
  const kinds = hasTimeouts ? ["match", "timeout", "watermark"] : ["match", "watermark"];
  const from = vector.outputFromFeed;
  const all = from === undefined ? run.outputs : outputsFrom(vector, from);
  const found = all.filter((output) => kinds.some((kind) => kind in output));
  const lines = (entries: readonly object[]) =>
    entries.map((entry, i) => outputText(entry, asserted[i] ?? {}));
  const order = vector.ordered ? (list: string[]) => list : sorted;
  expect(order(lines(found))).toEqual(order(lines(asserted)));
}

function outputsFrom(vector: Vector, from: number): readonly Output[] {
  const run = new VectorRun(vector);
  let before = 0;
  vector.feed?.forEach((entry, index) => {
    if (index + 1 === from) before = run.outputs.length;
    run.feed(entry);
  });
  return run.outputs.slice(before);
}

function outputText(entry: object, like: Readonly<Record<string, unknown>>): string {
  const { match, timeout, ...rest } = entry as Record<string, unknown>;
  const stamps = Object.entries(rest).filter(([name]) => name === "watermark" || name in like);
  const steps = [match, timeout].filter((one) => one !== undefined) as Steps[];
  return `${steps.map(stepText)} ${JSON.stringify(Object.fromEntries(stamps))}`;
}

function expectStatic(vector: Vector): void {
  const definition = definitionOf(vector.pattern);
  if (vector.canBeEmpty) return;
  checkPattern("p", definition);
  const { automaton } = compilePattern(definition);
  if (vector.effectiveWithinMs !== undefined) {
    expect(automaton.withinMs ?? 0).toBe(vector.effectiveWithinMs);
  }
  for (const [step, ms] of Object.entries(vector.effectiveStepWithinMs ?? {})) {
    const gaps = automaton.states.filter((s) => s.step === automaton.steps.indexOf(step));
    expect(gaps.map(({ gapMs }) => gapMs)).toContain(ms);
  }
}

function sorted<T extends string>(values: readonly T[]): T[] {
  return [...values].sort();
}

function text(match: readonly string[]): string {
  return match.join(" ");
}

function stepText(steps: Steps): string {
  const named = Object.entries(steps).map(
    ([step, events]) => `${step}=${sorted(events).join(",")}`,
  );
  return named.sort().join(" ");
}
