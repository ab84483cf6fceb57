import type { CellCodec } from "./cell-codec.js";

/** Which old values UPDATE and DELETE carry: primary key, nothing, whole row, or an index's. */
export type ReplicaIdentity = "default" | "nothing" | "full" | "index";

/** One column as the stream describes it. */
export interface Column {
  readonly name: string;
  /** OID of the type in the source's catalogue. */
  readonly typeOid: number;
  /** `atttypmod`, -1 when the type has none. */
  readonly typeModifier: number;
  /** Whether the column belongs to the replica identity. */
  readonly isKey: boolean;
  /** Reads the column's cells. */
  readonly codec: CellCodec;
}

/**
 * One version of a table's shape, valid on one connection from the message that announced it to
 * the next announcement of the same OID. Changes point at the version they were written under, so
 * identity (`===`) tells whether the shape changed.
 */
export interface Relation {
  readonly oid: number;
  readonly schema: string;
  readonly name: string;
  /** `schema.name`, unquoted: the name pipelines use. */
  readonly qualifiedName: string;
  readonly replicaIdentity: ReplicaIdentity;
  readonly columns: readonly Column[];
}

/** Index of a column by name, or -1. */
export function columnIndex(relation: Relation, name: string): number {
  return relation.columns.findIndex((column) => column.name === name);
}
