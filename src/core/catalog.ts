import type { CellCodec } from "./cell-codec.js";
import type { ReplicaIdentity } from "./relation.js";

/** A column as the catalogue describes it now. */
export interface CatalogColumn {
  readonly name: string;
  readonly typeOid: number;
  /** `format_type` with its modifier: `numeric(12,2)`. */
  readonly typeName: string;
  readonly isNotNull: boolean;
  /**
   * Collation of text: its name, the locale's for the database's own, with `nondeterministic` in
   * front where different texts can be equal. Null or absent: none, or not known.
   */
  readonly collation?: string | null;
  /** Of a domain or an enum: what it comes down to. */
  readonly made?: MadeType;
  readonly codec: CellCodec;
}

/** What a type that users made comes down to. */
export interface MadeType {
  /** OID of the type below all domains. */
  readonly typeOid: number;
  /** As `format_type` prints that one. */
  readonly typeName: string;
  /** An enum's labels, in their order. */
  readonly labels?: readonly string[];
}

/**
 * A type that is not PostgreSQL's own, as the catalogue describes it. What is described here of a
 * type cannot change while its OID stays, but for labels and fields that are added.
 */
export type CatalogType = {
  readonly oid: number;
  /** As `format_type` prints it. */
  readonly name: string;
} & (
  | { readonly kind: "enum"; readonly labels: readonly string[] }
  /** `base` is the OID of the type below, of the elements, or of the bounds. */
  | { readonly kind: "domain" | "range" | "multirange"; readonly base: number }
  | { readonly kind: "array"; readonly base: number; readonly delimiter: string }
  | {
      readonly kind: "composite";
      readonly fields: readonly { readonly name: string; readonly typeOid: number }[];
    }
);

/** A table as the catalogue describes it now; used to check plans, never to decode history. */
export interface CatalogTable {
  readonly schema: string;
  readonly name: string;
  /** `schema.name`, unquoted. */
  readonly qualifiedName: string;
  readonly replicaIdentity: ReplicaIdentity;
  /** Columns by which updates and deletes name the old row; empty for FULL and for none. */
  readonly identityKey: readonly string[];
  /** The database's own collation, which literals have; absent when it is not known. */
  readonly collation?: string | null;
  readonly columns: readonly CatalogColumn[];
}
