import type { CatalogTable } from "../../src/core/catalog.js";
import type { CellKind } from "../../src/core/cell-codec.js";
import type { CodecTable } from "../../src/core/decoder.js";
import type { Column, Relation, ReplicaIdentity } from "../../src/core/relation.js";
import { joinTableName } from "../../src/core/sql.js";
import type { ChangeMessage } from "./change-message.js";
import type { Field, FieldList } from "./field-list.js";

/** Kinds whose values are never moved to TOAST: a message that lacks one lacks the column. */
const FIXED: ReadonlySet<CellKind> = new Set<CellKind>([
  ...(["bool", "int", "bigint", "float"] as const),
  ...(["timestamp", "date", "time", "interval"] as const),
]);

/** A relation, and the `attnum` of its columns: 0 as long as no message has told. */
interface Shape {
  readonly relation: Relation;
  readonly identity: Identity;
  readonly positions: number[];
}

/** Which columns name an old row. */
interface Identity {
  readonly kind: ReplicaIdentity;
  readonly keys: ReadonlySet<string>;
}

/** A column before it has a codec. */
type PlainColumn = Pick<Field, "name" | "typeOid" | "position">;

/**
 * The shapes of tables. wal2json describes none: every message names its columns and their types,
 * but leaves out what an UPDATE did not change in TOAST, and says nothing of the replica identity
 * but by the columns that `identity` holds. So the catalogue says how a table looks at first, where
 * there is one, and each message corrects that: an INSERT and a whole old row name all columns. A
 * message that fits what is known gives the very same Relation.
 */
export class RelationShapes {
  readonly #tables: ReadonlyMap<string, CatalogTable>;
  readonly #codecs: CodecTable;
  readonly #shapes = new Map<string, Shape>();
  #lastSchema = "";
  #lastTable = "";
  #last: Shape | null = null;

  constructor(tables: readonly CatalogTable[], codecs: CodecTable) {
    this.#tables = new Map(tables.map((table) => [table.qualifiedName, table]));
    this.#codecs = codecs;
  }

  /** The relation of the change, in the version that it was written under. */
  of(message: ChangeMessage): Relation {
    const schema = message.schema.value;
    const name = message.table.value;
    let shape = this.#last;
    if (shape === null || this.#lastSchema !== schema || this.#lastTable !== name) {
      shape = this.#shapes.get(joinTableName(schema, name)) ?? this.#first(message);
    }
    if (message.action !== "T" && !fits(shape, message)) shape = this.#changed(shape, message);
    if (message.action === "I" && shape.positions[0] === 0) place(shape, message.columns);
    this.#lastSchema = schema;
    this.#lastTable = name;
    this.#last = shape;
    return shape.relation;
  }

  #first({ schema, table, pk }: ChangeMessage): Shape {
    const known = this.#tables.get(joinTableName(schema.value, table.value));
    const columns = known?.columns.map(({ name, typeOid }) => ({ name, typeOid, position: 0 }));
    const identity = {
      kind: known?.replicaIdentity ?? "default",
      keys: new Set(known?.identityKey ?? namesOf(pk)),
    };
    return this.#set(schema.value, table.value, { columns: columns ?? [], identity });
  }

  /** The shape that a message shows which does not fit. */
  #changed(shape: Shape, message: ChangeMessage): Shape {
    const { relation, positions } = shape;
    const known = relation.columns.map((column, i) => ({ ...column, position: positions[i] ?? 0 }));
    const identity = identityOf(shape.identity, known.length, message);
    const columns = columnsOf(known, message, identity.kind === "full");
    return this.#set(relation.schema, relation.name, { columns, identity });
  }

  #set(
    schema: string,
    name: string,
    {
      columns: plain,
      identity,
    }: { readonly columns: readonly PlainColumn[]; readonly identity: Identity },
  ): Shape {
    const qualifiedName = joinTableName(schema, name);
    const columns = plain.map(
      (column): Column => ({
        name: column.name,
        typeOid: column.typeOid,
        typeModifier: -1,
        isKey: identity.kind === "full" || identity.keys.has(column.name),
        codec: this.#codecs.codecOf(column.typeOid, `${qualifiedName}.${column.name}`),
      }),
    );
    const replicaIdentity = identity.kind;
    const relation: Relation = { oid: 0, schema, name, qualifiedName, replicaIdentity, columns };
    const shape = { relation, identity, positions: plain.map(({ position }) => position) };
    this.#shapes.set(qualifiedName, shape);
    return shape;
  }
}

/** Notes where the columns of an INSERT stand, which has all of them. */
function place({ positions }: Shape, fields: FieldList): void {
  for (let i = 0; i < fields.count; i++) positions[i] = fields.at(i).position;
}

/** Whether the message may come from a table of this shape. */
function fits({ relation, positions }: Shape, message: ChangeMessage): boolean {
  const { columns: fields, identity, action } = message;
  const { columns } = relation;
  let next = 0;
  for (let i = 0; i < columns.length; i++) {
    const column = columns[i] as Column;
    const field = next < fields.count ? fields.at(next) : null;
    if (field !== null && field.name === column.name) {
      const isMoved = positions[i] !== 0 && field.position !== positions[i];
      if (field.typeOid !== column.typeOid || isMoved) return false;
      next++;
    } else if (action === "I" || (action === "U" && FIXED.has(column.codec.kind))) return false;
  }
  return next === fields.count && (!identity.isThere || namesKeys(columns, identity));
}

/** Whether the identity has exactly the key's columns, with their types. */
function namesKeys(columns: readonly Column[], identity: FieldList): boolean {
  let next = 0;
  for (const { name, typeOid, isKey } of columns) {
    if (!isKey) continue;
    const field = next < identity.count ? identity.at(next++) : null;
    if (field === null || field.name !== name || field.typeOid !== typeOid) return false;
  }
  return next === identity.count;
}

/** All columns of the table, in their order. */
function columnsOf(
  known: readonly (Column & PlainColumn)[],
  { columns, identity, action }: ChangeMessage,
  isFull: boolean,
): PlainColumn[] {
  const places = new Map(known.map(({ name, position }) => [name, position]));
  if (isFull && identity.isThere) {
    return listOf(identity).map(({ name, typeOid }, i) => {
      const position = columns.find(name, i)?.position ?? places.get(name) ?? 0;
      return { name, typeOid, position };
    });
  }
  const fields = listOf(action === "D" ? identity : columns);
  if (action === "I") return fields;
  const taken = new Set(fields.map(({ position }) => position));
  // What an UPDATE leaves out may be in TOAST, unless its place has another name now; a DELETE
  // leaves out what is no key.
  const missing = known.filter(({ name, position, codec }) => {
    if (fields.some((field) => field.name === name)) return false;
    if (action === "U" && FIXED.has(codec.kind)) return false;
    return position === 0 || !taken.has(position);
  });
  return inserted(
    fields,
    missing,
    known.map(({ name }) => name),
  );
}

/** `fields` with the missing columns where they stood among those that are known. */
function inserted(
  fields: readonly PlainColumn[],
  missing: readonly PlainColumn[],
  known: readonly string[],
): PlainColumn[] {
  const order = new Map(known.map((name, index) => [name, index]));
  const all = [...fields];
  for (const column of missing) {
    const place = order.get(column.name) as number;
    const at = all.findIndex(({ name }) => (order.get(name) ?? known.length) > place);
    all.splice(at < 0 ? all.length : at, 0, column);
  }
  return all;
}

/** The replica identity that a change shows: `identity` is the key, or the whole row under FULL. */
function identityOf(
  known: Identity,
  knownColumns: number,
  { identity, pk, columns }: ChangeMessage,
): Identity {
  if (!identity.isThere) {
    const isByPrimaryKey = known.kind === "default" && pk.isThere;
    return isByPrimaryKey ? { kind: "default", keys: new Set(namesOf(pk)) } : known;
  }
  const keys = new Set(namesOf(identity));
  const primary = namesOf(pk);
  const isPrimary =
    pk.isThere && primary.length === keys.size && primary.every((name) => keys.has(name));
  if (isPrimary) {
    const isWhole = known.kind === "full" && keys.size === knownColumns;
    return { kind: isWhole || known.kind === "index" ? known.kind : "default", keys };
  }
  const isFull = known.kind === "full" || keys.size >= Math.max(columns.count, knownColumns);
  return { kind: isFull ? "full" : "index", keys };
}

function namesOf(fields: FieldList): string[] {
  return listOf(fields).map(({ name }) => name);
}

function listOf(fields: FieldList): PlainColumn[] {
  return Array.from({ length: fields.count }, (_, i) => {
    const { name, typeOid, position } = fields.at(i);
    return { name, typeOid, position };
  });
}
