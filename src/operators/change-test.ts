import { type Batch, NO_IMAGE, Op } from "../core/batch.js";
import type { Change } from "../core/change.js";
import type { Row } from "../core/row.js";
import type { RowTest } from "./row-test.js";
import { userFailure } from "./user-failure.js";

/** A user's function over changes as they are. It throws USER_FUNCTION when the function does. */
export function changeTest(predicate: (change: Change<Row>) => boolean): RowTest {
  return {
    bind: (relation, step) => (rows, k) => {
      const change = changeAt(rows.batch, rows.indices[k] as number);
      try {
        return predicate(change);
      } catch (error) {
        throw userFailure(error, step, relation.qualifiedName);
      }
    },
  };
}

/** Change `i` of a batch; its rows are views into the batch. */
function changeAt(batch: Batch, i: number): Change<Row> {
  const after = batch.after[i] as number;
  const before = batch.before[i] as number;
  switch (batch.ops[i] as Op) {
    case Op.insert:
      return { op: "insert", after: batch.row(i, after) };
    case Op.update: {
      const old = before === NO_IMAGE ? null : batch.row(i, before);
      return { op: "update", before: old, after: batch.row(i, after) };
    }
    case Op.delete:
      return { op: "delete", before: batch.row(i, before) };
    case Op.truncate:
      return { op: "truncate" };
  }
}
