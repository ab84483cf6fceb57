import { compileExpression } from "./compile/compile-expression.js";
import { definitionOf } from "./functions/catalog.js";
import type { SqlType } from "./sql-type.js";
import { type Expression, type Reference, referencesOf } from "./tree.js";
import type { Value } from "./values/value.js";

/**
 * What a condition demands of one reference on its own: a row for which one of these is not true
 * cannot satisfy the condition. An index over many conditions asks only those that can be true.
 */
export interface Predicate {
  /** The reference's key in its scope. */
  readonly key: string;
  /** The type of the values. */
  readonly type: SqlType;
  readonly operator: "=" | "<" | "<=" | ">" | ">=" | "in";
  /** One value, or for `in` several; none is NULL. */
  readonly values: readonly Value[];
}

const FLIPPED = { "=": "=", "<": ">", "<=": ">=", ">": "<", ">=": "<=" } as const;
type Comparison = keyof typeof FLIPPED;

/** Equalities and ranges that a condition implies, of those that AND joins at its top. */
export function predicatesOf(condition: Expression): Predicate[] {
  const parts = condition.kind === "and" ? condition.args : [condition];
  return parts.flatMap((part) => predicateOf(part) ?? []);
}

function predicateOf(part: Expression): Predicate | null {
  if (part.kind === "in" && !part.negated) {
    const reference = referenceIn(part.left);
    const items = part.items.map((item) => constantValue(item));
    if (reference === null || items.some((item) => item === undefined)) return null;
    const values = items.filter((item): item is Value => item !== undefined && item !== null);
    return { key: reference.key, type: part.left.type, operator: "in", values };
  }
  if (part.kind !== "call" || part.args.length !== 2) return null;
  const { name } = definitionOf(part.signature);
  if (!Object.hasOwn(FLIPPED, name)) return null;
  const [left, right] = part.args as [Expression, Expression];
  const operator = name as Comparison;
  return compared(left, right, operator) ?? compared(right, left, FLIPPED[operator]);
}

function compared(side: Expression, other: Expression, operator: Comparison): Predicate | null {
  const reference = referenceIn(side);
  const value = constantValue(other);
  if (reference === null || value === undefined || value === null) return null;
  return { key: reference.key, type: other.type, operator, values: [value] };
}

/** A reference, or one below a cast that nobody wrote. */
function referenceIn(tree: Expression): Reference | null {
  if (tree.kind === "reference") return tree;
  return tree.kind === "cast" && tree.implicit ? referenceIn(tree.arg) : null;
}

/** The value of a tree without references; undefined for others. */
function constantValue(tree: Expression): Value | undefined {
  if (referencesOf(tree).length > 0) return undefined;
  const nothing = {
    read: () => {
      throw new Error("a constant has no references");
    },
  };
  return compileExpression<undefined>(tree, "", nothing)(undefined);
}
