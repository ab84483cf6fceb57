// Forms over several values: IN, ANY, ALL, GREATEST, LEAST, arrays.
import { definitionOf } from "../functions/catalog.js";
import { comparerOf } from "../functions/comparisons.js";
import type { Run } from "../functions/definition.js";
import { isEnum, type SqlType } from "../sql-type.js";
import type { ArrayOf, Expression, Extreme, Membership, Quantified, Subscript } from "../tree.js";
import type { Value } from "../values/value.js";
import type { Compilation } from "./compile-expression.js";
import { type Compiled, computed, constantOf, type Evaluate, evaluateOf } from "./evaluate.js";

/** From so many values on a set is quicker than comparing one after the other. */
const SET_SIZE = 4;
/** Types whose equal values are the same to a Set. */
const HASHED: readonly SqlType[] = ["int2", "int4", "int8", "text", "uuid", "date", "bool"];

const isHashed = (type: SqlType): boolean => HASHED.includes(type) || isEnum(type);

/** What ANY and ALL make of an operator's answers. */
function quantify(
  isAny: boolean,
  run: Run,
): (left: Value, items: readonly Value[]) => boolean | null {
  return (left, items) => {
    let result: boolean | null = !isAny;
    for (const item of items) {
      const answer = item === null ? null : (run(left, item) as boolean | null);
      if (answer === isAny) return isAny;
      if (answer === null) result = null;
    }
    return result;
  };
}

function operatorOf<F>(
  node: { readonly signature: string; readonly at: number } & Expression,
  types: readonly SqlType[],
  compilation: Compilation<F>,
): Run {
  const definition = definitionOf(node.signature);
  const collation = "collation" in node ? node.collation : null;
  const site = { types, constants: [undefined, undefined], collation };
  const run = compilation.prepare(node, () => definition.prepare(site));
  if (!definition.canFail) return run;
  return (a, b) => {
    try {
      return run(a, b);
    } catch (error) {
      throw compilation.placed(error, node);
    }
  };
}

export function compileMembership<F>(node: Membership, compilation: Compilation<F>): Compiled<F> {
  const left = compilation.compile(node.left);
  const items = node.items.map((item) => {
    const compiled = compilation.compile(item);
    return compiled.isConstant ? compiled.value : evaluateOf(compiled)(undefined as F);
  });
  const type = node.items[0]?.type ?? "text";
  const run = operatorOf(node, [node.left.type, type], compilation);
  const found = membership(node, { items, type, run });
  if (left.isConstant) {
    const { value } = left;
    return compilation.fold(node, () => (value === null ? null : found(value)));
  }
  const { evaluate } = left;
  return computed((frame) => {
    const value = evaluate(frame);
    return value === null ? null : found(value);
  });
}

function membership(
  node: Membership,
  list: { readonly items: readonly Value[]; readonly type: SqlType; readonly run: Run },
): (value: Value) => boolean | null {
  const { items, type, run } = list;
  const { negated, left } = node;
  if (items.length < SET_SIZE || left.type !== type || !isHashed(type)) {
    const decide = quantify(!negated, run);
    return (value) => decide(value, items);
  }
  const set = new Set(items);
  const absent = set.has(null) ? null : negated;
  return (value) => (set.has(value) ? !negated : absent);
}

export function compileQuantified<F>(node: Quantified, compilation: Compilation<F>): Compiled<F> {
  const isAny = node.kind === "any";
  const left = compilation.compile(node.left);
  const array = compilation.compile(node.array);
  const element = node.array.type.slice(0, -2) as SqlType;
  const decide = quantify(isAny, operatorOf(node, [node.left.type, element], compilation));
  const [a, b] = [evaluateOf(left), evaluateOf(array)];
  const evaluate: Evaluate<F> = (frame) => {
    const value = a(frame);
    const items = b(frame) as readonly Value[] | null;
    if (items === null) return null;
    if (items.length === 0) return !isAny;
    return value === null ? null : decide(value, items);
  };
  if (!left.isConstant || !array.isConstant) return computed(evaluate);
  return compilation.fold(node, () => evaluate(undefined as F));
}

export function compileExtreme<F>(node: Extreme, compilation: Compilation<F>): Compiled<F> {
  const compare = comparerOf(node.type);
  if (compare === null) throw new Error(`values of type ${node.type} have no order`);
  const wanted = node.kind === "greatest" ? 1 : -1;
  const args = node.args.map((arg) => compilation.compile(arg));
  const evaluates = args.map(evaluateOf);
  const evaluate: Evaluate<F> = (frame) => {
    let best: Value = null;
    for (const arg of evaluates) {
      const value = arg(frame);
      if (value === null) continue;
      if (best === null || Math.sign(compare(value, best)) === wanted) best = value;
    }
    return best;
  };
  if (args.some((arg) => !arg.isConstant)) return computed(evaluate);
  return compilation.fold(node, () => evaluate(undefined as F));
}

export function compileArray<F>(node: ArrayOf, compilation: Compilation<F>): Compiled<F> {
  const items = node.items.map((item) => compilation.compile(item));
  const evaluates = items.map(evaluateOf);
  const evaluate: Evaluate<F> = (frame) => evaluates.map((item) => item(frame));
  if (items.some((item) => !item.isConstant)) return computed(evaluate);
  return constantOf(evaluate(undefined as F));
}

export function compileSubscript<F>(node: Subscript, compilation: Compilation<F>): Compiled<F> {
  const [array, index] = [node.arg, node.index].map((arg) => compilation.compile(arg)) as [
    Compiled<F>,
    Compiled<F>,
  ];
  const [a, b] = [evaluateOf(array), evaluateOf(index)];
  const evaluate: Evaluate<F> = (frame) => {
    const items = a(frame) as readonly Value[] | null;
    const at = b(frame) as number | null;
    return items === null || at === null ? null : (items[at - 1] ?? null);
  };
  if (!array.isConstant || !index.isConstant) return computed(evaluate);
  return compilation.fold(node, () => evaluate(undefined as F));
}
