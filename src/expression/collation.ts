// How text compares. Equality is the same under every deterministic collation; order only under
// those that order by code points; what is a letter depends on the collation, too.

import { categoryOf } from "./sql-type.js";
import type { Expression } from "./tree.js";
import { childrenOf } from "./tree.js";

/** Marks a collation under which different texts can be equal, in front of its name. */
export const NONDETERMINISTIC = "nondeterministic ";

const BY_CODE_POINT = /^(?:C|POSIX|ucs_basic|pg_c_utf8|pg_unicode_fast|C\.utf-?8)$/i;

/** Whether texts under it are in the order of their code points. */
export function ordersByCodePoint(collation: string | null): boolean {
  return collation !== null && BY_CODE_POINT.test(collation);
}

/** Whether only equal texts are equal under it. */
export function isDeterministic(collation: string | null): boolean {
  return collation === null || !collation.startsWith(NONDETERMINISTIC);
}

/** A collation and where it came from (manual, 23.2.1). */
export interface CollationState {
  readonly name: string | null;
  readonly strength: "none" | "implicit" | "explicit" | "conflict";
}

const NONE: CollationState = { name: null, strength: "none" };

/** The collation that an expression's value has; `fallback` is the database's. */
export function collationOf(tree: Expression, fallback: string | null): CollationState {
  if (tree.kind === "collate") return { name: tree.collation, strength: "explicit" };
  if (tree.kind === "reference") {
    const name = tree.collation ?? fallback;
    return name === null ? NONE : { name, strength: name === fallback ? "none" : "implicit" };
  }
  const texts = childrenOf(tree).filter((child) => /^[SAX]$/.test(categoryOf(child.type)));
  return combined(texts.map((child) => collationOf(child, fallback)));
}

/** An explicit collation wins, then one that differs from the database's. */
export function combined(states: readonly CollationState[]): CollationState {
  for (const strength of ["explicit", "conflict", "implicit"] as const) {
    const found = states.filter((state) => state.strength === strength);
    const [first] = found;
    if (first === undefined) continue;
    const differ = found.some((state) => state.name !== first.name);
    return differ ? { name: null, strength: "conflict" } : first;
  }
  return NONE;
}
