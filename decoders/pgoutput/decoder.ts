import {
  Batch,
  NO_IMAGE,
  NULL_CELL,
  Op,
  type TransactionSlice,
  UNCHANGED_CELL,
} from "../../src/core/batch.js";
import type { Decoder } from "../../src/core/decoder.js";
import type { Relation } from "../../src/core/relation.js";
import { MessageReader } from "./reader.js";
import { readRelation } from "./relation-message.js";

// Message tags and layouts: manual, 54.9 "Logical Replication Message Formats".
const TAG = {
  begin: 0x42, // B
  commit: 0x43, // C
  origin: 0x4f, // O
  relation: 0x52, // R
  type: 0x59, // Y
  insert: 0x49, // I
  update: 0x55, // U
  delete: 0x44, // D
  truncate: 0x54, // T
  message: 0x4d, // M
  newTuple: 0x4e, // N
  keyTuple: 0x4b, // K
  oldTuple: 0x4f, // O
  null: 0x6e, // n
  unchanged: 0x75, // u
  text: 0x74, // t
} as const;

/**
 * Decodes pgoutput, protocol version 1, with text cells.
 *
 * Cells are found, not decoded: a tuple costs one pass that writes each cell's start and end
 * offset into the batch and checks every length against the message. Values are made when somebody
 * reads them (see Row and CellCodec). Relations are held per connection and by OID; a new Relation
 * message replaces the version for the changes after it, while those before keep theirs.
 */
export class PgoutputDecoder implements Decoder {
  readonly plugin = "pgoutput";
  readonly #reader = new MessageReader();
  readonly #relations = new Map<number, Relation>();
  #lastRelation: Relation | null = null;
  #batch = new Batch();
  #open: TransactionSlice | null = null;

  get isInTransaction(): boolean {
    return this.#open !== null;
  }

  get pending(): number {
    return this.#batch.length + this.#batch.transactions.length;
  }

  decode(bytes: Uint8Array, start: number, end: number): void {
    const reader = this.#reader;
    reader.reset(bytes, start, end);
    const tag = reader.uint8();
    switch (tag) {
      case TAG.insert:
        this.#insert(reader);
        break;
      case TAG.update:
        this.#update(reader);
        break;
      case TAG.delete:
        this.#delete(reader);
        break;
      case TAG.begin:
        this.#begin(reader);
        break;
      case TAG.commit:
        this.#commit(reader);
        break;
      case TAG.relation:
        this.#relation(reader);
        break;
      case TAG.truncate:
        this.#truncate(reader);
        break;
      case TAG.origin: // where a replicated transaction came from; changes nothing here
      case TAG.type: // names of types that are not built in; their cells stay text
      case TAG.message: // pg_logical_emit_message: only sent on request
        break;
      default:
        throw reader.error("unknown message tag");
    }
  }

  take(): Batch {
    const batch = this.#batch;
    const open = this.#open;
    this.#batch = new Batch(Math.max(64, batch.length), Math.max(1024, batch.cellsUsed));
    if (open !== null) {
      open.to = batch.length;
      const { xid, commitLsn, commitMs } = open;
      const firstOrdinal = open.firstOrdinal + open.to - open.from;
      this.#openSlice({ xid, commitLsn, commitMs, firstOrdinal });
    }
    return batch;
  }

  #openSlice(
    facts: Pick<TransactionSlice, "xid" | "commitLsn" | "commitMs" | "firstOrdinal">,
  ): void {
    const at = this.#batch.length;
    this.#open = { ...facts, from: at, to: at, commitEndLsn: null };
    this.#batch.transactions.push(this.#open);
  }

  #begin(reader: MessageReader): void {
    const commitLsn = reader.lsn();
    const commitMs = reader.epochMs();
    const xid = reader.uint32();
    reader.finish();
    if (this.#open !== null) throw reader.error("a transaction begins inside another one");
    this.#openSlice({ xid, commitLsn, commitMs, firstOrdinal: 0 });
  }

  #commit(reader: MessageReader): void {
    reader.uint8(); // flags, unused
    const commitLsn = reader.lsn();
    const commitEndLsn = reader.lsn();
    reader.epochMs();
    reader.finish();
    const open = this.#open;
    if (open === null) throw reader.error("a commit without a begin");
    if (open.commitLsn !== commitLsn) throw reader.error("a commit of another transaction");
    if (commitEndLsn <= commitLsn) throw reader.error("a commit that ends before it starts");
    open.to = this.#batch.length;
    open.commitEndLsn = commitEndLsn;
    this.#open = null;
  }

  #relation(reader: MessageReader): void {
    const relation = readRelation(reader);
    this.#relations.set(relation.oid, relation);
    this.#lastRelation = null;
  }

  #insert(reader: MessageReader): void {
    const relation = this.#changed(reader);
    if (reader.uint8() !== TAG.newTuple) throw reader.error("an insert without a new row");
    const after = this.#tuple(reader, relation);
    reader.finish();
    this.#batch.push(Op.insert, relation, reader.bytes, after, NO_IMAGE);
  }

  #update(reader: MessageReader): void {
    const relation = this.#changed(reader);
    let tag = reader.uint8();
    let before = NO_IMAGE;
    if (tag === TAG.keyTuple || tag === TAG.oldTuple) {
      before = this.#tuple(reader, relation);
      tag = reader.uint8();
    }
    if (tag !== TAG.newTuple) throw reader.error("an update without a new row");
    const after = this.#tuple(reader, relation);
    reader.finish();
    this.#batch.push(Op.update, relation, reader.bytes, after, before);
  }

  #delete(reader: MessageReader): void {
    const relation = this.#changed(reader);
    const tag = reader.uint8();
    if (tag !== TAG.keyTuple && tag !== TAG.oldTuple) {
      throw reader.error("a delete without an old row");
    }
    const before = this.#tuple(reader, relation);
    reader.finish();
    this.#batch.push(Op.delete, relation, reader.bytes, NO_IMAGE, before);
  }

  #truncate(reader: MessageReader): void {
    const count = reader.uint32();
    reader.uint8(); // 1 CASCADE, 2 RESTART IDENTITY: all affected relations are listed anyway
    const relations: Relation[] = [];
    for (let i = 0; i < count; i++) relations.push(this.#changed(reader));
    reader.finish();
    for (const relation of relations) {
      this.#batch.push(Op.truncate, relation, reader.bytes, NO_IMAGE, NO_IMAGE);
    }
  }

  /** Reads the OID a change starts with. */
  #changed(reader: MessageReader): Relation {
    if (this.#open === null) throw reader.error("a change outside a transaction");
    const oid = reader.uint32();
    if (this.#lastRelation !== null && this.#lastRelation.oid === oid) return this.#lastRelation;
    const relation = this.#relations.get(oid);
    if (relation === undefined) throw reader.error(`relation ${oid} was never described`);
    this.#lastRelation = relation;
    return relation;
  }

  /**
   * TupleData: Int16 column count, then a column: Byte1 kind and, for values, Int32 length and the
   * bytes. Returns the image's place in `cells`.
   */
  #tuple(reader: MessageReader, relation: Relation): number {
    const count = reader.uint16();
    if (count !== relation.columns.length) throw reader.error("a row with a wrong column count");
    const batch = this.#batch;
    const cells = batch.reserveCells(count);
    const image = batch.cellsUsed;
    const { bytes, end } = reader;
    let at = reader.at;
    let out = image;
    for (let i = 0; i < count; i++) {
      const kind = at < end ? bytes[at] : -1;
      if (kind === TAG.text && at + 5 <= end) {
        const length =
          ((bytes[at + 1] as number) << 24) |
          ((bytes[at + 2] as number) << 16) |
          ((bytes[at + 3] as number) << 8) |
          (bytes[at + 4] as number);
        const start = at + 5;
        at = start + length;
        if (length < 0 || at > end) {
          reader.at = start;
          throw reader.error("a cell longer than its message");
        }
        cells[out] = start;
        cells[out + 1] = at;
      } else {
        if (kind !== TAG.null && kind !== TAG.unchanged) {
          reader.at = at;
          throw reader.error("a cell of unknown kind or a message that ends too early");
        }
        cells[out] = kind === TAG.null ? NULL_CELL : UNCHANGED_CELL;
        at += 1;
      }
      out += 2;
    }
    batch.cellsUsed = out;
    reader.at = at;
    return image;
  }
}
