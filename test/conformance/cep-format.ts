// The format of published CEP vectors (test/fixtures/cep-vectors/README.md): a case's pattern as a
// PatternDefinition, its conditions as functions.
import type {
  AfterMatch,
  ElementDefinition,
  InnerContiguity,
  PatternDefinition,
  Quantifier,
  StepDefinition,
} from "../../src/operators/pattern/definition.js";
import { ONCE } from "../../src/operators/pattern/definition.js";
import type { Conditions } from "../../src/operators/pattern/matcher.js";
import { type PatternEvent, type Taken, takenOf } from "../../src/operators/pattern/run.js";

export interface VectorEvent {
  readonly i: number;
  readonly t: number;
  readonly processingTime?: number;
  readonly [field: string]: unknown;
}

/** An event on its way: what the vector says, and where it stands. */
export interface VectorRow extends PatternEvent {
  readonly row: VectorEvent;
}

type Value = unknown;
type Condition = true | Readonly<Record<string, unknown>>;

interface VectorQuantifier {
  readonly kind: "one" | "oneOrMore" | "times" | "timesOrMore";
  readonly from?: number;
  readonly to?: number;
  readonly optional?: boolean;
  readonly greedy?: boolean;
  readonly consecutive?: boolean;
  readonly allowCombinations?: boolean;
  readonly windowMs?: number;
}

interface VectorWithin {
  readonly ms: number;
  readonly type: "first_to_last" | "previous_to_current";
  readonly step?: string;
}

interface VectorStep {
  readonly name?: string;
  readonly group?: readonly VectorStep[];
  readonly contiguity?: StepDefinition<Condition>["contiguity"];
  readonly where?: Condition;
  readonly quantifier?: VectorQuantifier;
  readonly until?: Condition;
  readonly within?: VectorWithin;
}

export interface VectorPattern {
  readonly skip: { readonly strategy: string; readonly step?: string; readonly onMiss?: string };
  readonly within: VectorWithin | null;
  readonly steps: readonly VectorStep[];
}

const SKIPS: Readonly<Record<string, AfterMatch["to"]>> = {
  noSkip: "noSkip",
  skipToNext: "toNext",
  skipPastLastEvent: "pastLast",
  skipToFirst: "toFirst",
  skipToLast: "toLast",
};

/** The pattern of a case. */
export function definitionOf(pattern: VectorPattern): PatternDefinition<Condition> {
  const whole = [pattern.within, ...stepWindows(pattern.steps)]
    .filter((within) => within?.type === "first_to_last" && within.ms > 0)
    .map((within) => within?.ms ?? 0);
  const gap = pattern.within?.type === "previous_to_current" ? pattern.within : null;
  return {
    elements: pattern.steps.map((step) => elementOf(step, gap)),
    withinMs: whole.length === 0 ? null : Math.min(...whole),
    afterMatch: afterMatchOf(pattern.skip),
  };
}

function stepWindows(steps: readonly VectorStep[]): (VectorWithin | null)[] {
  return steps.flatMap((step) => [step.within ?? null, ...stepWindows(step.group ?? [])]);
}

function afterMatchOf({ strategy, step, onMiss }: VectorPattern["skip"]): AfterMatch {
  const to = SKIPS[strategy];
  if (to === undefined) throw new Error(`no skip strategy ${strategy}`);
  if (to !== "toFirst" && to !== "toLast") return { to };
  return { to, step: step ?? "", onMiss: onMiss === "error" ? "error" : "noSkip" };
}

function elementOf(step: VectorStep, gap: VectorWithin | null): ElementDefinition<Condition> {
  const base = {
    contiguity: step.contiguity ?? "next",
    quantifier: quantifierOf(step.quantifier),
    until: step.until ?? null,
  } as const;
  if (step.group !== undefined) {
    return { kind: "group", elements: step.group.map((inner) => elementOf(inner, gap)), ...base };
  }
  const own = step.within?.type === "previous_to_current" ? step.within : null;
  const chosen = own ?? (gap?.step === step.name ? gap : null);
  // The source ignores such a window on a step with a count.
  const isCounted = step.quantifier !== undefined && step.quantifier.kind !== "one";
  const where = step.where ?? true;
  return {
    kind: "step",
    name: step.name ?? "",
    ...base,
    where: where === true ? null : where,
    gapMs: isCounted ? null : (chosen?.ms ?? null),
  };
}

function quantifierOf(quantifier: VectorQuantifier | undefined): Quantifier {
  if (quantifier === undefined) return ONCE;
  const { kind, from = 1, to = from, optional, greedy, windowMs } = quantifier;
  const isOne = kind === "one";
  const isOpen = kind === "oneOrMore" || kind === "timesOrMore";
  let inner: InnerContiguity = "relaxed";
  if (quantifier.consecutive) inner = "consecutive";
  if (quantifier.allowCombinations) inner = "combinations";
  return {
    min: isOne || kind === "oneOrMore" ? 1 : from === 0 ? 1 : from,
    max: isOpen ? null : isOne ? 1 : to,
    isOptional: (optional ?? false) || (!isOne && from === 0),
    isGreedy: greedy ?? false,
    inner,
    gapMs: windowMs ?? null,
  };
}

/** What conditions may ask beside the event: the events taken so far, and the clock. */
interface Context {
  readonly event: VectorRow;
  readonly steps: readonly string[];
  readonly last: Taken<VectorRow> | null;
  readonly clock: () => number;
}

/** Answers a pattern's conditions as the format defines them. */
export function conditionsOf(
  conditions: readonly Condition[],
  steps: readonly string[],
  clock: () => number,
): Conditions<VectorRow> {
  return {
    begin() {},
    holds: (index, event, last) =>
      holds(conditions[index] as Condition, { event, steps, last, clock }),
  };
}

function holds(condition: Condition, context: Context): boolean {
  if (condition === true) return true;
  const [operator = "", operands] = Object.entries(condition)[0] ?? [];
  if (operator === "and") return (operands as Condition[]).every((c) => holds(c, context));
  if (operator === "or") return (operands as Condition[]).some((c) => holds(c, context));
  if (operator === "subtype") return context.event.row["type"] === operands;
  const [left, right] = (operands as Value[]).map((operand) => operandOf(operand, context));
  switch (operator) {
    case "eq":
      return left === right;
    case "gt":
      return (left as number) > (right as number);
    case "ge":
      return (left as number) >= (right as number);
    case "lt":
      return (left as number) < (right as number);
    case "le":
      return (left as number) <= (right as number);
    case "contains":
      return String(left).includes(String(right));
    case "startsWith":
      return String(left).startsWith(String(right));
    default:
      throw new Error(`no condition ${operator}`);
  }
}

interface Operand {
  readonly field?: string;
  readonly sum?: { readonly step: string; readonly field: string };
  readonly first?: { readonly step: string; readonly field: string };
  readonly count?: { readonly step: string };
  readonly add?: readonly Value[];
  readonly now?: "eventTime" | "processingTime";
}

function operandOf(value: Value, context: Context): Value {
  if (typeof value !== "object" || value === null) return value;
  const { field, sum, first, count, add, now } = value as Operand;
  if (field !== undefined) return context.event.row[field];
  if (now !== undefined) return now === "eventTime" ? context.event.ms : context.clock();
  if (add !== undefined)
    return add.reduce((s: number, v) => s + (operandOf(v, context) as number), 0);
  const rows = takenOf(context.last)
    .filter(({ step }) => context.steps[step] === (sum ?? first ?? count)?.step)
    .map(({ event }) => event.row);
  if (count !== undefined) return rows.length;
  if (first !== undefined) return rows[0]?.[first.field];
  if (sum === undefined) throw new Error(`no operand ${Object.keys(value)}`);
  return rows.reduce((total, row) => total + (row[sum.field] as number), 0);
}
