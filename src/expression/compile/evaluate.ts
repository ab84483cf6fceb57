// A checked tree becomes closures, one for each node, each made for the types and constants of its
// place. They stay within twice a hand-written function (bench/README.md), so that no source text
// is ever built.
import type { Reference } from "../tree.js";
import type { Value } from "../values/value.js";

/** Computes a value from what it is given for one row. */
export type Evaluate<F> = (frame: F) => Value;

/** A node that was compiled: a constant, or something to be computed for each row. */
export type Compiled<F> =
  | { readonly isConstant: true; readonly value: Value }
  | { readonly isConstant: false; readonly evaluate: Evaluate<F> };

/** Comparison operators that a reader may be able to do on a cell's bytes. */
export type ComparisonName = "=" | "<>" | "<" | "<=" | ">" | ">=";

/**
 * Where values come from. `F` is what an evaluation is given: the cells of a row, the events of a
 * match.
 */
export interface ReferenceReader<F> {
  /** Reads the value that a reference means. The function may throw EXPRESSION_FAILED. */
  read(reference: Reference): Evaluate<F>;
  /** A reference compared with a constant, without making its value; null when there is no way. */
  compare?(reference: Reference, name: ComparisonName, constant: Value): Evaluate<F> | null;
}

/** Wraps a constant. */
export function constantOf<F>(value: Value): Compiled<F> {
  return { isConstant: true, value };
}

/** Wraps what is computed for each row. */
export function computed<F>(evaluate: Evaluate<F>): Compiled<F> {
  return { isConstant: false, evaluate };
}

/** The function of a compiled node, also of a constant. */
export function evaluateOf<F>(compiled: Compiled<F>): Evaluate<F> {
  if (!compiled.isConstant) return compiled.evaluate;
  const { value } = compiled;
  return () => value;
}
