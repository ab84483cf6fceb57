import type { SqlType } from "./sql-type.js";

/**
 * A checked expression: a plain value, every node with its type, names resolved, and the casts that
 * PostgreSQL would put in written out. It prints as JSON as it is. `at` is the offset in the
 * source's characters where the node was written.
 */
export type Expression =
  | Constant
  | Reference
  | Call
  | Cast
  | Connective
  | Negation
  | NullTest
  | TruthTest
  | Distinct
  | Case
  | Coalesce
  | Extreme
  | NullIf
  | Membership
  | Quantified
  | ArrayOf
  | Subscript
  | Collate;

interface Node {
  readonly type: SqlType;
  readonly at: number;
}

/** A value that was written down. `text` is its text form, null for NULL. */
export interface Constant extends Node {
  readonly kind: "constant";
  readonly text: string | null;
  /** How it was written: a bare string or NULL, whose type came from its place, or otherwise. */
  readonly form: "literal" | "typed" | "number" | "boolean";
}

/** A value that the scope supplies: a column, or what else has a name there. */
export interface Reference extends Node {
  readonly kind: "reference";
  /** The scope's own name for it, stable and unique there. */
  readonly key: string;
  /** As SQL: `amount`, `login.user_id`, `LAST(b.price)`, `now()`. */
  readonly sql: string;
  /** OID of its own type in the source's catalogue: `type`'s, or that of a domain over it. */
  readonly typeOid: number;
  /** The column's collation; null when it has none or the type knows none. */
  readonly collation: string | null;
}

/** An operator or function of the catalogue. */
export interface Call extends Node {
  readonly kind: "call";
  /** Which one: `+(int4,int4)`, `lower(text)`. */
  readonly signature: string;
  readonly args: readonly Expression[];
  /** The collation it works under; null where none matters. */
  readonly collation: string | null;
}

/** A conversion; an implicit one was not written. */
export interface Cast extends Node {
  readonly kind: "cast";
  readonly arg: Expression;
  readonly implicit: boolean;
  /** `numeric(10,2)` has 10 and 2. */
  readonly modifiers: readonly number[];
}

export interface Connective extends Node {
  readonly kind: "and" | "or";
  readonly args: readonly Expression[];
}

export interface Negation extends Node {
  readonly kind: "not";
  readonly arg: Expression;
}

export interface NullTest extends Node {
  readonly kind: "is null";
  readonly arg: Expression;
  readonly negated: boolean;
}

/** `IS [NOT] TRUE`, `FALSE`, `UNKNOWN`. */
export interface TruthTest extends Node {
  readonly kind: "is";
  readonly truth: "true" | "false" | "unknown";
  readonly arg: Expression;
  readonly negated: boolean;
}

/** `IS [NOT] DISTINCT FROM`, by an equality. */
export interface Distinct extends Node {
  readonly kind: "distinct";
  readonly signature: string;
  readonly left: Expression;
  readonly right: Expression;
  readonly negated: boolean;
}

export interface Case extends Node {
  readonly kind: "case";
  readonly branches: readonly { readonly when: Expression; readonly result: Expression }[];
  readonly otherwise: Expression;
}

export interface Coalesce extends Node {
  readonly kind: "coalesce";
  readonly args: readonly Expression[];
}

/** `GREATEST` and `LEAST`. */
export interface Extreme extends Node {
  readonly kind: "greatest" | "least";
  readonly args: readonly Expression[];
  readonly collation: string | null;
}

export interface NullIf extends Node {
  readonly kind: "nullif";
  readonly signature: string;
  readonly left: Expression;
  readonly right: Expression;
}

/** `IN` over values that were written down; all of one type. */
export interface Membership extends Node {
  readonly kind: "in";
  readonly signature: string;
  readonly left: Expression;
  readonly items: readonly Expression[];
  readonly negated: boolean;
}

/** `ANY` and `ALL` over an array. */
export interface Quantified extends Node {
  readonly kind: "any" | "all";
  readonly signature: string;
  readonly left: Expression;
  readonly array: Expression;
  readonly collation: string | null;
}

export interface ArrayOf extends Node {
  readonly kind: "array";
  readonly items: readonly Expression[];
}

/** One element, counted from 1. */
export interface Subscript extends Node {
  readonly kind: "subscript";
  readonly arg: Expression;
  readonly index: Expression;
}

export interface Collate extends Node {
  readonly kind: "collate";
  readonly arg: Expression;
  readonly collation: string;
}

/** The expressions directly below a node, in the order they are evaluated. */
export function childrenOf(node: Expression): readonly Expression[] {
  switch (node.kind) {
    case "constant":
    case "reference":
      return [];
    case "call":
    case "and":
    case "or":
    case "coalesce":
    case "greatest":
    case "least":
      return node.args;
    case "distinct":
    case "nullif":
      return [node.left, node.right];
    case "case":
      return [...node.branches.flatMap(({ when, result }) => [when, result]), node.otherwise];
    case "in":
      return [node.left, ...node.items];
    case "any":
    case "all":
      return [node.left, node.array];
    case "array":
      return node.items;
    case "subscript":
      return [node.arg, node.index];
    default:
      return [node.arg];
  }
}

/** The references of a tree, each key once. */
export function referencesOf(tree: Expression): Reference[] {
  const found = new Map<string, Reference>();
  const visit = (node: Expression): void => {
    if (node.kind === "reference" && !found.has(node.key)) found.set(node.key, node);
    for (const child of childrenOf(node)) visit(child);
  };
  visit(tree);
  return [...found.values()];
}
