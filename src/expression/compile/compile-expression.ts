import { TidemarkError } from "../../core/errors.js";
import { invalidExpression, lineAndColumn, shortened } from "../expression-place.js";
import type { Run } from "../functions/definition.js";
import type { Expression } from "../tree.js";
import { readValue, type Value } from "../values/value.js";
import { compileCall, compileCast } from "./calls.js";
import {
  type Compiled,
  computed,
  constantOf,
  type Evaluate,
  evaluateOf,
  type ReferenceReader,
} from "./evaluate.js";
import * as logic from "./logic.js";
import * as sets from "./sets.js";

/** What compiling a node may use. */
export interface Compilation<F> {
  readonly reader: ReferenceReader<F>;
  compile(node: Expression): Compiled<F>;
  /** Adds the place of `node` to an EXPRESSION_FAILED that has none. */
  placed(error: unknown, node: Expression): unknown;
  /** The value of a node without references; what fails in it is refused now. */
  fold(node: Expression, evaluate: () => Value): Compiled<F>;
  /** Makes the function of a node; what is wrong with its constants is refused now. */
  prepare(node: Expression, prepare: () => Run): Run;
  /** EXPRESSION_INVALID at a node. */
  invalid(node: Expression, sentence: string): TidemarkError;
}

/**
 * Compiles a checked tree. `text` is what it was checked from. The function throws
 * EXPRESSION_FAILED, with the place and the reason, for rows that PostgreSQL would fail for.
 * A part that would fail for every row is refused here with EXPRESSION_INVALID, as PostgreSQL does
 * when it plans.
 */
export function compileExpression<F>(
  tree: Expression,
  text: string,
  reader: ReferenceReader<F>,
): Evaluate<F> {
  const compilation: Compilation<F> = {
    reader,
    compile: (node) => compileNode(node, compilation),
    placed: (error, node) => placed(error, { text, at: node.at }),
    fold(node, evaluate) {
      try {
        return constantOf(evaluate());
      } catch (error) {
        throw refused(placed(error, { text, at: node.at }));
      }
    },
    prepare(node, prepare) {
      try {
        return prepare();
      } catch (error) {
        throw refused(placed(error, { text, at: node.at }));
      }
    },
    invalid: (node, sentence) => invalidExpression({ text, at: node.at }, sentence),
  };
  return evaluateOf(compilation.compile(tree));
}

/** As {@link compileExpression}, for a condition: true, or not. */
export function compileCondition<F>(
  tree: Expression,
  text: string,
  reader: ReferenceReader<F>,
): (frame: F) => boolean {
  const evaluate = compileExpression(tree, text, reader);
  return (frame) => evaluate(frame) === true;
}

function placed(error: unknown, place: { text: string; at: number }): unknown {
  if (!(error instanceof TidemarkError) || error.code !== "EXPRESSION_FAILED") return error;
  if ("line" in error.detail) return error;
  const { line, column } = lineAndColumn(place);
  return new TidemarkError(
    "EXPRESSION_FAILED",
    `Expression, line ${line}, column ${column}: ${error.message}`,
    { detail: { ...error.detail, expression: shortened(place.text), line, column }, cause: error },
  );
}

function refused(error: unknown): unknown {
  if (!(error instanceof TidemarkError) || error.code !== "EXPRESSION_FAILED") return error;
  return new TidemarkError("EXPRESSION_INVALID", `${error.message} It would fail for every row.`, {
    detail: error.detail,
    cause: error,
  });
}

function compileNode<F>(node: Expression, compilation: Compilation<F>): Compiled<F> {
  switch (node.kind) {
    case "constant":
      return constantOf(node.text === null ? null : readValue(node.type, node.text));
    case "reference":
      return computed(compilation.reader.read(node));
    case "call":
      return compileCall(node, compilation);
    case "cast":
      return compileCast(node, compilation);
    case "collate":
      return compilation.compile(node.arg);
    case "and":
    case "or":
      return logic.compileConnective(node, compilation);
    case "not":
      return logic.compileNot(node, compilation);
    case "is null":
      return logic.compileNullTest(node, compilation);
    case "is":
      return logic.compileTruthTest(node, compilation);
    case "distinct":
      return logic.compileDistinct(node, compilation);
    case "case":
      return logic.compileCase(node, compilation);
    case "coalesce":
      return logic.compileCoalesce(node, compilation);
    case "nullif":
      return logic.compileNullIf(node, compilation);
    case "greatest":
    case "least":
      return sets.compileExtreme(node, compilation);
    case "in":
      return sets.compileMembership(node, compilation);
    case "any":
    case "all":
      return sets.compileQuantified(node, compilation);
    case "array":
      return sets.compileArray(node, compilation);
    case "subscript":
      return sets.compileSubscript(node, compilation);
  }
}
