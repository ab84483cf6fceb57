// Calls and casts: strictness, constant arguments, and the place of what fails.
import { conversionOf, modifierOf } from "../functions/casts.js";
import { definitionOf } from "../functions/catalog.js";
import type { Run } from "../functions/definition.js";
import type { Call, Cast, Expression, Reference } from "../tree.js";
import type { Value } from "../values/value.js";
import type { Compilation } from "./compile-expression.js";
import {
  type ComparisonName,
  type Compiled,
  computed,
  constantOf,
  type Evaluate,
  evaluateOf,
} from "./evaluate.js";

export function compileCall<F>(node: Call, compilation: Compilation<F>): Compiled<F> {
  const definition = definitionOf(node.signature);
  const args = node.args.map((arg) => compilation.compile(arg));
  const fast = compileComparison(node, args, compilation);
  if (fast !== null) return computed(fast);
  const constants = args.map((arg) => (arg.isConstant ? arg.value : undefined));
  const { isStrict, isStable, constantParameters } = definition;
  if (isStrict && constants.includes(null)) return constantOf(null);
  for (const parameter of constantParameters) {
    if (constants[parameter] === undefined) throw notConstant(node, parameter, compilation);
  }
  const types = node.args.map((arg) => arg.type);
  const site = { types, constants, collation: node.collation };
  const prepare = (): Run => definition.prepare(site);
  const prepared = compilation.prepare(node, prepare);
  const isFixed = args.every((arg) => arg.isConstant);
  if (isFixed && !isStable) return compilation.fold(node, () => prepared(...constants));
  const run = definition.canFail ? guarded(prepared, node, compilation) : prepared;
  const evaluates = args.map(evaluateOf);
  if (definition.isExchanged) return computed(exchanged(run, evaluates));
  const evaluate = isStrict ? strict(run, evaluates) : lenient(run, evaluates);
  return computed(isFixed ? once(evaluate) : evaluate);
}

/**
 * PostgreSQL plans without what depends on the session, so that it is no constant for what stands
 * around it. Here it has one value all the same.
 */
function once<F>(evaluate: Evaluate<F>): Evaluate<F> {
  let value: Value | undefined;
  return (frame) => {
    if (value === undefined) value = evaluate(frame);
    return value;
  };
}

/** Two arguments, the second one first. */
function exchanged<F>(run: Run, [first, second]: readonly Evaluate<F>[]): Evaluate<F> {
  if (first === undefined || second === undefined) throw new Error("exchanged of two arguments");
  return strict((b: Value, a: Value) => run(a, b), [second, first]);
}

function notConstant<F>(node: Call, parameter: number, compilation: Compilation<F>): Error {
  const arg = node.args[parameter] as Expression;
  return compilation.invalid(
    arg,
    `argument ${parameter + 1} of ${definitionOf(node.signature).name} has to be a constant here.`,
  );
}

/** Adds the place to what fails. */
function guarded<F>(run: Run, node: Call, compilation: Compilation<F>): Run {
  const { placed } = compilation;
  if (node.args.length === 1) {
    return (a) => {
      try {
        return run(a);
      } catch (error) {
        throw placed(error, node);
      }
    };
  }
  if (node.args.length === 2) {
    return (a, b) => {
      try {
        return run(a, b);
      } catch (error) {
        throw placed(error, node);
      }
    };
  }
  return (...args) => {
    try {
      return run(...args);
    } catch (error) {
      throw placed(error, node);
    }
  };
}

/** All arguments are computed, in order, before a NULL among them decides. */
function strict<F>(run: Run, args: readonly Evaluate<F>[]): Evaluate<F> {
  const [first, second, third] = args;
  if (first === undefined) return () => run();
  if (second === undefined) {
    return (frame) => {
      const a = first(frame);
      return a === null ? null : run(a);
    };
  }
  if (third === undefined) {
    return (frame) => {
      const a = first(frame);
      const b = second(frame);
      return a === null || b === null ? null : run(a, b);
    };
  }
  return (frame) => {
    const values: Value[] = [];
    for (const arg of args) values.push(arg(frame));
    return values.includes(null) ? null : run(...values);
  };
}

function lenient<F>(run: Run, args: readonly Evaluate<F>[]): Evaluate<F> {
  return (frame) => {
    const values: Value[] = [];
    for (const arg of args) values.push(arg(frame));
    return run(...values);
  };
}

const FLIPPED: Readonly<Record<ComparisonName, ComparisonName>> = {
  ...{ "=": "=", "<>": "<>", "<": ">", "<=": ">=", ">": "<", ">=": "<=" },
};

/** A column against a constant may be compared on the cell's bytes. */
function compileComparison<F>(
  node: Call,
  args: readonly Compiled<F>[],
  { reader }: Compilation<F>,
): Evaluate<F> | null {
  const { name } = definitionOf(node.signature);
  const [left, right] = node.args;
  const [a, b] = args;
  if (!(name in FLIPPED) || a === undefined || b === undefined) return null;
  const operator = name as ComparisonName;
  const direct = referenceBelow(left);
  if (direct !== null && b.isConstant && b.value !== null) {
    return reader.compare?.(direct, operator, b.value) ?? null;
  }
  const flipped = referenceBelow(right);
  if (flipped === null || !a.isConstant || a.value === null) return null;
  return reader.compare?.(flipped, FLIPPED[operator], a.value) ?? null;
}

/** A reference, also below a cast that keeps its value: integers as numeric, varchar as text. */
function referenceBelow(node: Expression | undefined): Reference | null {
  if (node?.kind === "reference") return node;
  if (node?.kind !== "cast" || !node.implicit || node.arg.kind !== "reference") return null;
  const from = node.arg.type;
  const keeps =
    (node.type === "numeric" && ["int2", "int4", "int8"].includes(from)) ||
    (node.type === "text" && from === "varchar");
  return keeps ? node.arg : null;
}

export function compileCast<F>(node: Cast, compilation: Compilation<F>): Compiled<F> {
  const arg = compilation.compile(node.arg);
  const conversion = conversionOf(node.arg.type, node.type);
  if (conversion === null) throw new Error(`no cast from ${node.arg.type} to ${node.type}`);
  const within = node.modifiers.length === 0 ? null : modifierOf(node.type, node.modifiers);
  const { run } = conversion;
  const convert = (value: Value): Value => {
    const converted = run(value);
    return within === null || converted === null ? converted : within(converted);
  };
  if (arg.isConstant) {
    const { value } = arg;
    if (value === null) return constantOf(null);
    if (!conversion.isStable) return compilation.fold(node, () => convert(value));
  }
  const evaluate = evaluateOf(arg);
  const { placed } = compilation;
  const evaluateCast: Evaluate<F> = (frame) => {
    const value = evaluate(frame);
    if (value === null) return null;
    try {
      return convert(value);
    } catch (error) {
      throw placed(error, node);
    }
  };
  return computed(arg.isConstant ? once(evaluateCast) : evaluateCast);
}
