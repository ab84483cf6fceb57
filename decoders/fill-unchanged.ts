import { type Batch, UNCHANGED_CELL } from "../src/core/batch.js";
import type { Relation } from "../src/core/relation.js";

/** Takes unchanged TOAST values of a new row from the whole old row, both places in `cells`. */
export function fillUnchanged(
  { cells }: Batch,
  relation: Relation,
  { before, after }: { readonly before: number; readonly after: number },
): void {
  for (let at = 0; at < 2 * relation.columns.length; at += 2) {
    if (cells[after + at] !== UNCHANGED_CELL) continue;
    cells[after + at] = cells[before + at] as number;
    cells[after + at + 1] = cells[before + at + 1] as number;
  }
}
