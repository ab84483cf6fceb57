// Three-valued logic and what else decides by NULL or truth. What PostgreSQL leaves out when it
// plans (the rest of an AND behind FALSE, a branch that is never taken) is left out here, too, so
// that a constant that would fail there is no error.
import { definitionOf } from "../functions/catalog.js";
import type { Run } from "../functions/definition.js";
import type {
  Case,
  Coalesce,
  Connective,
  Distinct,
  Expression,
  Negation,
  NullIf,
  NullTest,
  TruthTest,
} from "../tree.js";
import type { Compilation } from "./compile-expression.js";
import { type Compiled, computed, constantOf, type Evaluate, evaluateOf } from "./evaluate.js";

export function compileConnective<F>(node: Connective, compilation: Compilation<F>): Compiled<F> {
  const decisive = node.kind === "or";
  const parts: Evaluate<F>[] = [];
  let hasNull = false;
  for (const arg of node.args) {
    const compiled = compilation.compile(arg);
    if (!compiled.isConstant) parts.push(compiled.evaluate);
    else if (compiled.value === decisive) return constantOf(decisive);
    else if (compiled.value === null) hasNull = true;
  }
  if (parts.length === 0) return constantOf(hasNull ? null : !decisive);
  const [first, second] = parts as [Evaluate<F>, Evaluate<F>?];
  if (parts.length === 1 && !hasNull) return computed(first);
  if (parts.length === 2 && !hasNull) return computed(pair(first, second as Evaluate<F>, decisive));
  const neutral = hasNull ? null : !decisive;
  return computed((frame) => {
    let result: boolean | null = neutral;
    for (const part of parts) {
      const value = part(frame);
      if (value === decisive) return decisive;
      if (value === null) result = null;
    }
    return result;
  });
}

function pair<F>(first: Evaluate<F>, second: Evaluate<F>, decisive: boolean): Evaluate<F> {
  return (frame) => {
    const a = first(frame);
    if (a === decisive) return decisive;
    const b = second(frame);
    if (b === decisive) return decisive;
    return a === null || b === null ? null : !decisive;
  };
}

export function compileNot<F>(node: Negation, compilation: Compilation<F>): Compiled<F> {
  const arg = compilation.compile(node.arg);
  if (arg.isConstant) return constantOf(arg.value === null ? null : arg.value !== true);
  const { evaluate } = arg;
  return computed((frame) => {
    const value = evaluate(frame);
    return value === null ? null : value !== true;
  });
}

export function compileNullTest<F>(node: NullTest, compilation: Compilation<F>): Compiled<F> {
  const arg = compilation.compile(node.arg);
  const { negated } = node;
  if (arg.isConstant) return constantOf((arg.value === null) !== negated);
  const { evaluate } = arg;
  return computed((frame) => (evaluate(frame) === null) !== negated);
}

export function compileTruthTest<F>(node: TruthTest, compilation: Compilation<F>): Compiled<F> {
  const arg = compilation.compile(node.arg);
  const wanted = { true: true, false: false, unknown: null }[node.truth];
  const { negated } = node;
  if (arg.isConstant) return constantOf((arg.value === wanted) !== negated);
  const { evaluate } = arg;
  return computed((frame) => (evaluate(frame) === wanted) !== negated);
}

/** The equality of two arguments of a form. */
export function equalityOf(
  node: { readonly signature: string; readonly left: Expression; readonly right: Expression },
  compilation: Compilation<never>,
): Run {
  const types = [node.left.type, node.right.type];
  const site = { types, constants: [undefined, undefined], collation: null };
  return compilation.prepare(node.left, () => definitionOf(node.signature).prepare(site));
}

export function compileDistinct<F>(node: Distinct, compilation: Compilation<F>): Compiled<F> {
  const equals = equalityOf(node, compilation as Compilation<never>);
  const left = compilation.compile(node.left);
  const right = compilation.compile(node.right);
  const { negated } = node;
  const [a, b] = [evaluateOf(left), evaluateOf(right)];
  const evaluate: Evaluate<F> = (frame) => {
    const x = a(frame);
    const y = b(frame);
    const differ = x === null || y === null ? x !== y : equals(x, y) !== true;
    return differ !== negated;
  };
  if (!left.isConstant || !right.isConstant) return computed(evaluate);
  return compilation.fold(node, () => evaluate(undefined as F));
}

export function compileNullIf<F>(node: NullIf, compilation: Compilation<F>): Compiled<F> {
  const equals = equalityOf(node, compilation as Compilation<never>);
  const left = compilation.compile(node.left);
  const right = compilation.compile(node.right);
  // NULL equals nothing, and PostgreSQL then does not compute the other side (clauses.c).
  if ([left, right].some((side) => side.isConstant && side.value === null)) return left;
  const [a, b] = [evaluateOf(left), evaluateOf(right)];
  const evaluate: Evaluate<F> = (frame) => {
    const x = a(frame);
    const y = b(frame);
    return x !== null && y !== null && equals(x, y) === true ? null : x;
  };
  if (!left.isConstant || !right.isConstant) return computed(evaluate);
  return compilation.fold(node, () => evaluate(undefined as F));
}

export function compileCase<F>(node: Case, compilation: Compilation<F>): Compiled<F> {
  const branches: { when: Evaluate<F>; result: Evaluate<F> }[] = [];
  let otherwise: Compiled<F> | null = null;
  for (const branch of node.branches) {
    const when = compilation.compile(branch.when);
    if (!when.isConstant) {
      branches.push({
        when: when.evaluate,
        result: evaluateOf(compilation.compile(branch.result)),
      });
    } else if (when.value === true) {
      otherwise = compilation.compile(branch.result);
      break;
    }
  }
  otherwise ??= compilation.compile(node.otherwise);
  if (branches.length === 0) return otherwise;
  const last = evaluateOf(otherwise);
  return computed((frame) => {
    for (const { when, result } of branches) if (when(frame) === true) return result(frame);
    return last(frame);
  });
}

export function compileCoalesce<F>(node: Coalesce, compilation: Compilation<F>): Compiled<F> {
  const parts: Evaluate<F>[] = [];
  for (const arg of node.args) {
    const compiled = compilation.compile(arg);
    if (!compiled.isConstant) parts.push(compiled.evaluate);
    else if (compiled.value !== null) {
      if (parts.length === 0) return compiled;
      parts.push(evaluateOf(compiled));
      break;
    }
  }
  if (parts.length === 0) return constantOf(null);
  return computed((frame) => {
    for (const part of parts) {
      const value = part(frame);
      if (value !== null) return value;
    }
    return null;
  });
}
