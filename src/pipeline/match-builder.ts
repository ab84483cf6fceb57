import { TidemarkError } from "../core/errors.js";
import { checkPattern } from "../operators/pattern/check-pattern.js";
import { isNot, stepsOf } from "../operators/pattern/definition.js";
import type { Overflow } from "../operators/pattern/pattern-operator.js";
import type { AppendSpec } from "./builder.js";
import { Pattern, pattern } from "./pattern-builder.js";
import type { MatchesNode, MatchNode, PlanNode, SelectedPlan } from "./plan.js";

/** A column of a match's row, as `select` chooses it. */
export interface Selected {
  readonly step: string;
  readonly of: "first" | "last" | "count";
  readonly column: string | null;
}

/** The columns of each step, to choose from. */
export type Choice<R, S extends string> = {
  readonly [step in S]: { readonly [column in Extract<keyof R, string>]: Selected };
};

/** Rows by key. */
export interface Keyed<R> {
  /** Finds a pattern in the rows of each key, in the order of their event times. */
  match<S extends string>(
    build: Pattern<R, S> | ((begin: <N extends string>(name: N) => Pattern<R, N>) => Pattern<R, S>),
    options?: MatchOptions,
  ): MatchedStream<R, S>;
}

/** Limits of a pattern. */
export interface MatchOptions {
  /** Partial matches that one key may have. Default: 10,000. */
  readonly maxRuns?: number;
  /** What happens beyond: the pipeline stops with PATTERN_LIMIT, or the oldest or newest go. */
  readonly overflow?: Overflow;
}

/** Where else the results of a pattern go. */
export interface MatchOutputs {
  /** Partial matches whose time was over. Default: they are counted and dropped. */
  readonly timedOut?: AppendSpec<never>;
  /** Rows that came too late, if event time is a column. Default: a table `<matches>_late`. */
  readonly late?: AppendSpec<never>;
}

/** Matches on their way. */
export interface MatchedStream<R, S extends string> {
  /**
   * Columns of the result: `(first, last, count) => ({ user_id: first.login.user_id, price:
   * last.bid.price, bids: count("bid") })`. Called once, when the pipeline is defined.
   */
  select(
    choose: (
      first: Choice<R, S>,
      last: Choice<R, S>,
      count: (step: S) => Selected,
    ) => Readonly<Record<string, Selected>>,
  ): MatchedOutput;
  /** Without `select` a match's row has the key and the positions of its events. */
  into(table: AppendSpec<never>, outputs?: MatchOutputs): void;
}

export interface MatchedOutput {
  into(table: AppendSpec<never>, outputs?: MatchOutputs): void;
}

/** What `keyBy` knows. */
export interface KeyedParts {
  readonly nodes: PlanNode[];
  readonly input: string;
  readonly keys: readonly string[];
}

const MAX_RUNS = 10_000;

/** The rows of a step by key. */
export function keyedRows<R>(parts: KeyedParts): Keyed<R> {
  return {
    match(build, options = {}) {
      const built = build instanceof Pattern ? build : build((name) => pattern(name));
      const { definition } = built;
      return {
        select: (choose) => {
          const select = chosen(choose, stepNames(definition.elements));
          return { into: (table, outputs) => add(select, table, outputs) };
        },
        into: (table, outputs) => add([], table, outputs),
      };
      function add(
        select: readonly SelectedPlan[],
        table: AppendSpec<never>,
        outputs: MatchOutputs = {},
      ): void {
        const { input, keys } = parts;
        const { maxRuns = MAX_RUNS, overflow = "stop" } = options;
        const id = `match ${table.table}`;
        checkPattern(table.table, definition);
        if (!Number.isInteger(maxRuns) || maxRuns < 1) {
          throw new TidemarkError("PLAN_INVALID", `${id}: maxRuns takes a whole number from 1.`);
        }
        const node: MatchNode = {
          ...{ op: "match", id, input, keys },
          ...{ pattern: definition, select, maxRuns, overflow },
        };
        parts.nodes.push(node, ...outputNodes(parts.nodes, node, { matched: table, ...outputs }));
      }
    },
  };
}

function stepNames(elements: MatchNode["pattern"]["elements"]): string[] {
  return stepsOf(elements)
    .filter((step) => !isNot(step))
    .map((step) => step.name);
}

/** Asks `choose` with objects that answer each column with a note of which it was. */
function chosen<R, S extends string>(
  choose: Parameters<MatchedStream<R, S>["select"]>[0],
  steps: readonly string[],
): SelectedPlan[] {
  const choice = (of: "first" | "last"): Choice<R, S> => {
    const columnsOf = (step: string) =>
      new Proxy({}, { get: (_, column): Selected => ({ step, of, column: String(column) }) });
    return Object.fromEntries(steps.map((step) => [step, columnsOf(step)])) as Choice<R, S>;
  };
  const count = (step: S): Selected => ({ step, of: "count", column: null });
  const columns = choose(choice("first"), choice("last"), count);
  return Object.entries(columns).map(([name, selected]) => {
    const isKnown = typeof selected === "object" && steps.includes(selected.step);
    if (isKnown) return { name, ...selected };
    throw new TidemarkError(
      "PLAN_INVALID",
      `select(): "${name}" is no column of a step; choose one as first.${steps[0]}.<column>, or ` +
        `count("${steps[0]}").`,
    );
  });
}

function outputNodes(
  nodes: readonly PlanNode[],
  match: MatchNode,
  tables: MatchOutputs & { readonly matched: AppendSpec<never> },
): MatchesNode[] {
  const { matched, timedOut } = tables;
  const late = tables.late ?? { ...matched, table: `${matched.table}_late` };
  const kinds = { matched, timedOut, late: hasColumnTime(nodes, match.input) ? late : undefined };
  return Object.entries(kinds).flatMap(([kind, spec]) => {
    if (spec === undefined) return [];
    if (spec.columns !== null) {
      throw new TidemarkError(
        "PLAN_INVALID",
        `${match.id}: ${spec.table} gets matches: choose columns with select().`,
      );
    }
    const { table, retainMs } = spec;
    const id = kind === "late" ? `append ${table}` : `matches ${table}`;
    return [
      { op: "matches", id, input: match.id, kind: kind as MatchesNode["kind"], table, retainMs },
    ];
  });
}

/** Whether event time is a column, so that rows may be late. */
function hasColumnTime(nodes: readonly PlanNode[], id: string): boolean {
  const node = nodes.find((one) => one.id === id);
  if (node?.op === "source") return node.eventTime !== null;
  return node !== undefined && "input" in node && hasColumnTime(nodes, node.input);
}
