import type { Column, Relation, ReplicaIdentity } from "../../src/core/relation.js";
import { joinTableName } from "../../src/core/sql.js";
import { codecOf } from "../types/codecs.js";
import type { MessageReader } from "./reader.js";

const IDENTITY: Readonly<Record<string, ReplicaIdentity>> = {
  d: "default",
  n: "nothing",
  f: "full",
  i: "index",
};

/** Reads a Relation message after its tag (manual, 54.9). */
export function readRelation(reader: MessageReader): Relation {
  const oid = reader.uint32();
  const schema = reader.cstring() || "pg_catalog";
  const name = reader.cstring();
  const replicaIdentity = IDENTITY[String.fromCharCode(reader.uint8())];
  if (replicaIdentity === undefined) throw reader.error("unknown replica identity");
  const count = reader.uint16();
  const columns: Column[] = [];
  for (let i = 0; i < count; i++) {
    const isKey = (reader.uint8() & 1) === 1;
    const columnName = reader.cstring();
    const typeOid = reader.uint32();
    const typeModifier = reader.int32();
    columns.push({ name: columnName, typeOid, typeModifier, isKey, codec: codecOf(typeOid) });
  }
  reader.finish();
  const qualifiedName = joinTableName(schema, name);
  return { oid, schema, name, qualifiedName, replicaIdentity, columns };
}
