import type { CatalogColumn } from "../../../core/catalog.js";
import { isDeterministic } from "../../../expression/collation.js";
import { type ColumnCells, textAt, valueAt } from "./each-value.js";

/** Whether values of the column are equal exactly when `equalityText` gives the same. */
export function hasEqualityText({ codec, collation }: CatalogColumn): boolean {
  const isNumber = codec.kind === "numeric" || codec.kind === "float";
  return (codec.hasCanonicalBytes || isNumber) && isDeterministic(collation ?? null);
}

/** A text that is the same for equal values of one row's cell (1.0 and 1.00); null for NULL. */
export function equalityText(cells: ColumnCells, k: number): string | null {
  const { kind } = cells.codec;
  if (kind !== "numeric" && kind !== "float") return textAt(cells, k);
  const value = valueAt(cells, k);
  if (value === null) return null;
  // -0 equals 0, and the text of a number is its own.
  if (typeof value === "number") return String(value);
  return String(value)
    .replace(/(\.\d*?)0+$/, "$1")
    .replace(/\.$/, "");
}
