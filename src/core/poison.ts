import type { ErrorCode } from "./error-codes.js";

/**
 * Failures that one row causes and that every other row may be spared: its cell is no value of its
 * type, or a function or an expression of the pipeline failed for it.
 */
const POISON_CODES: ReadonlySet<ErrorCode> = new Set([
  "BAD_VALUE",
  "USER_FUNCTION",
  "EXPRESSION_FAILED",
]);

/** Whether an error of this code is the fault of the row that was processed. */
export function isPoison(code: ErrorCode): boolean {
  return POISON_CODES.has(code);
}

/** The output that dead letters go to, of all pipelines. */
export const DEAD_LETTERS = "tidemark.dead_letter";
