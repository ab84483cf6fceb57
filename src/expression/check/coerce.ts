// Gives trees the type that their place wants.
import { TidemarkError } from "../../core/errors.js";
import { conversionOf, convertsImplicitly, modifierOf } from "../functions/casts.js";
import { categoryOf, isPreferred, printedType, type SqlType } from "../sql-type.js";
import type { Constant, Expression } from "../tree.js";
import { readValue } from "../values/value.js";
import type { CheckContext } from "./context.js";

/** The tree as `type`, by a cast that need not be written. The caller knows that there is one. */
export function coerce(context: CheckContext, tree: Expression, type: SqlType): Expression {
  if (tree.type === type) return tree;
  if (tree.kind === "constant" && tree.type === "unknown") return typed(context, tree, type);
  return { kind: "cast", type, arg: tree, implicit: true, modifiers: [], at: tree.at };
}

/** A literal in a place that wants `type`; refused when its text is none of that type. */
function typed(context: CheckContext, literal: Constant, type: SqlType): Constant {
  if (literal.text !== null && type !== "unknown") {
    try {
      readValue(type, literal.text);
    } catch (error) {
      if (!(error instanceof TidemarkError)) throw error;
      const what = `'${literal.text}' is no ${printedType(type)}`;
      throw context.invalid(literal.at, `${what}: ${error.message}`);
    }
  }
  return { ...literal, type };
}

/** A literal that nothing gave a type is text. */
export function settled(context: CheckContext, tree: Expression): Expression {
  return tree.type === "unknown" ? coerce(context, tree, "text") : tree;
}

/** The tree as a condition. */
export function asCondition(context: CheckContext, tree: Expression, place: string): Expression {
  if (tree.type === "bool" || tree.type === "unknown") return coerce(context, tree, "bool");
  throw context.invalid(
    tree.at,
    `${place} takes a condition, and this is of type ${printedType(tree.type)}.`,
  );
}

/** A cast that was written. */
export function castTo(
  context: CheckContext,
  tree: Expression,
  to: { type: SqlType; modifiers: readonly number[]; at: number },
): Expression {
  const { type, modifiers, at } = to;
  let cast = tree;
  if (tree.kind === "constant" && tree.type === "unknown") {
    cast = { ...typed(context, tree, type), form: tree.text === null ? "literal" : "typed", at };
    if (tree.text === null)
      return { kind: "cast", type, arg: cast, implicit: false, modifiers, at };
  } else if (tree.type !== type) {
    if (conversionOf(tree.type, type) === null) {
      const [from, into] = [printedType(tree.type), printedType(type)];
      throw context.invalid(at, `${from} cannot be cast to ${into}.`);
    }
    return { kind: "cast", type, arg: tree, implicit: false, modifiers, at };
  }
  if (modifiers.length === 0) return cast;
  return { kind: "cast", type, arg: cast, implicit: false, modifiers, at };
}

/** Checks what stands in brackets behind a type. */
export function checkModifiers(
  context: CheckContext,
  to: { type: SqlType; modifiers: readonly number[]; at: number },
): void {
  const { type, modifiers, at } = to;
  if (modifiers.length === 0) return;
  const [first = 0, second = 0] = modifiers;
  if (modifierOf(type, modifiers) === null) {
    throw context.invalid(at, `${printedType(type)} takes no precision here; round the value.`);
  }
  const isFine =
    type === "numeric"
      ? first >= 1 && first <= 1000 && second >= -1000 && second <= 1000 && modifiers.length <= 2
      : first >= 1 && first <= 10_485_760 && modifiers.length === 1;
  if (!isFine) throw context.invalid(at, `the size of ${printedType(type)} is out of range.`);
}

/**
 * The type that several trees can all have (parse_coerce.c, select_common_type), or null when there
 * is none.
 */
export function commonType(trees: readonly Expression[]): SqlType | null {
  let common: SqlType = "unknown";
  for (const { type } of trees) {
    if (type === "unknown" || type === common) continue;
    if (common === "unknown") common = type;
    else if (categoryOf(type) !== categoryOf(common)) return null;
    else if (
      !isPreferred(common) &&
      convertsImplicitly(common, type) &&
      !convertsImplicitly(type, common)
    ) {
      common = type;
    }
  }
  if (common === "unknown") return "text";
  const fits = trees.every(({ type }) => type === "unknown" || convertsImplicitly(type, common));
  return fits ? common : null;
}

/** All trees as their common type; `place` names the form for the message. */
export function unified(
  context: CheckContext,
  trees: readonly Expression[],
  place: string,
): { type: SqlType; trees: Expression[] } {
  const type = commonType(trees);
  if (type === null) {
    const types = [...new Set(trees.map((tree) => printedType(tree.type)))].join(" and ");
    const at = trees[1]?.at ?? trees[0]?.at ?? 0;
    throw context.invalid(at, `${place} cannot join ${types}: cast one of them.`);
  }
  return { type, trees: trees.map((tree) => coerce(context, tree, type)) };
}
