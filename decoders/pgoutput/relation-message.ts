import type { CellCodec } from "../../src/core/cell-codec.js";
import type { Column, Relation, ReplicaIdentity } from "../../src/core/relation.js";
import { joinTableName } from "../../src/core/sql.js";
import type { MessageReader } from "./reader.js";
import type { RelationVersion } from "./relation-versions.js";

const IDENTITY: Readonly<Record<string, ReplicaIdentity>> = {
  d: "default",
  n: "nothing",
  f: "full",
  i: "index",
};

/** What a Relation message is read with. */
export interface RelationContext {
  /** How many announcements came before on the connection. */
  readonly order: number;
  /** The version that is valid until this message. */
  known(oid: number): RelationVersion | undefined;
  codecOf(typeOid: number, column: string): CellCodec;
}

/**
 * Reads a Relation message after its tag (manual, 54.9). One that repeats what is known gives the
 * very same Relation.
 */
export function readRelation(reader: MessageReader, context: RelationContext): RelationVersion {
  const message = reader.bytes.subarray(reader.at, reader.end);
  const oid = reader.uint32();
  const { order } = context;
  const known = context.known(oid);
  if (known !== undefined && Buffer.compare(known.message, message) === 0) {
    return { relation: known.relation, message: known.message, order };
  }
  const schema = reader.cstring() || "pg_catalog";
  const name = reader.cstring();
  const replicaIdentity = IDENTITY[String.fromCharCode(reader.uint8())];
  if (replicaIdentity === undefined) throw reader.error("unknown replica identity");
  const qualifiedName = joinTableName(schema, name);
  const count = reader.uint16();
  const columns: Column[] = [];
  for (let i = 0; i < count; i++) {
    const isKey = (reader.uint8() & 1) === 1;
    const columnName = reader.cstring();
    const typeOid = reader.uint32();
    const typeModifier = reader.int32();
    const codec = context.codecOf(typeOid, `${qualifiedName}.${columnName}`);
    columns.push({ name: columnName, typeOid, typeModifier, isKey, codec });
  }
  reader.finish();
  const relation: Relation = { oid, schema, name, qualifiedName, replicaIdentity, columns };
  return { relation, message: Uint8Array.from(message), order };
}
