import type { Batch } from "../../core/batch.js";
import type { Relation } from "../../core/relation.js";

/** Which columns of an image are printed. */
export interface ImageColumns {
  readonly relation: Relation;
  /** Columns by index; negative ones are left out. */
  readonly indices: readonly number[];
}

/**
 * The old image of change `i` as a JSON object: texts of PostgreSQL by column name, null for NULL.
 * A key image has only the columns of the replica identity. An unchanged TOAST value is left out.
 */
export function imageJson(batch: Batch, i: number, { relation, indices }: ImageColumns): string {
  const bytes = batch.bytes[i] as Uint8Array;
  const image = batch.before[i] as number;
  const parts: string[] = [];
  for (const index of indices) {
    const column = relation.columns[index];
    if (column === undefined || !column.isKey) continue;
    const at = image + 2 * index;
    const start = batch.cells[at] as number;
    if (start < -1) continue;
    const value =
      start < 0 ? null : UTF8.decode(bytes.subarray(start, batch.cells[at + 1] as number));
    parts.push(`${JSON.stringify(column.name)}:${JSON.stringify(value)}`);
  }
  return `{${parts.join(",")}}`;
}

const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });
