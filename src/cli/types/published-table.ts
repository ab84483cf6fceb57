import type { CatalogColumn, CatalogTable } from "../../core/catalog.js";

/** A column as the decoder will deliver it. */
export interface PublishedColumn extends Pick<CatalogColumn, "name" | "isNotNull" | "codec"> {
  /** The labels, in their order, when the column's own type is an enum. */
  readonly labels: readonly string[] | null;
  /** As declared; the server holds arrays of any number of dimensions all the same. */
  readonly dimensions: number;
  /** Whether its values can be so large that an UPDATE of other columns leaves them out. */
  readonly isLarge: boolean;
  readonly comment: string | null;
}

/** A table as the decoder will deliver it. */
export interface PublishedTable {
  readonly replicaIdentity: CatalogTable["replicaIdentity"];
  /** Columns by which the log names an old row; empty where it has the whole row, or nothing. */
  readonly identityKey: readonly string[];
  readonly schema: string;
  readonly name: string;
  readonly comment: string | null;
  readonly columns: readonly PublishedColumn[];
}
