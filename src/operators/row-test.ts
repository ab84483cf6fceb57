import { errorOfStep, TidemarkError } from "../core/errors.js";
import type { Relation } from "../core/relation.js";
import { Row } from "../core/row.js";
import type { Rows } from "../core/rows.js";
import { compileCondition } from "../expression/compile/compile-expression.js";
import { emptyFrame, rowReader } from "../expression/compile/row-reader.js";
import type { Expression } from "../expression/tree.js";
import { userFailure } from "./user-failure.js";

/** Whether row `k` of a selection passes. */
export type PassesRow = (rows: Rows, k: number) => boolean;

/** Decides about rows; made anew for each version of their table. */
export interface RowTest {
  /** `step` names the filter in errors. */
  bind(relation: Relation, step: string): PassesRow;
}

/** A user's function. It throws USER_FUNCTION when the function does. */
export function functionTest(predicate: (row: Row) => boolean): RowTest {
  return {
    bind: (relation, step) => (rows, k) => {
      const { batch } = rows;
      const bytes = batch.bytes[rows.indices[k] as number] as Uint8Array;
      const row = Row.of(relation, bytes, batch.cells, rows.images[k] as number);
      try {
        return predicate(row);
      } catch (error) {
        throw userFailure(error, step, relation.qualifiedName);
      }
    },
  };
}

/** A checked condition and the text that it was checked from. Throws EXPRESSION_FAILED. */
export function conditionTest(tree: Expression, text: string): RowTest {
  return {
    bind(relation, step) {
      const frame = emptyFrame();
      const holds = compileCondition(tree, text, rowReader(relation));
      return ({ batch, slice, indices, images }, k) => {
        frame.bytes = batch.bytes[indices[k] as number] as Uint8Array;
        frame.cells = batch.cells;
        frame.base = images[k] as number;
        frame.commitMs = slice.commitMs;
        try {
          return holds(frame);
        } catch (error) {
          throw ofStep(error, step);
        }
      };
    },
  };
}

function ofStep(error: unknown, step: string): unknown {
  if (!(error instanceof TidemarkError)) return error;
  return errorOfStep(error, step);
}
