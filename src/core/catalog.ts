import type { CellCodec } from "./cell-codec.js";
import type { ReplicaIdentity } from "./relation.js";

/** A column as the catalogue describes it now. */
export interface CatalogColumn {
  readonly name: string;
  readonly typeOid: number;
  /** `format_type` with its modifier: `numeric(12,2)`. */
  readonly typeName: string;
  readonly isNotNull: boolean;
  readonly codec: CellCodec;
}

/** A table as the catalogue describes it now; used to check plans, never to decode history. */
export interface CatalogTable {
  readonly schema: string;
  readonly name: string;
  /** `schema.name`, unquoted. */
  readonly qualifiedName: string;
  readonly replicaIdentity: ReplicaIdentity;
  readonly primaryKey: readonly string[];
  readonly columns: readonly CatalogColumn[];
}
