import { type Batch, NO_IMAGE, Op } from "../../src/core/batch.js";
import type { CatalogTable } from "../../src/core/catalog.js";
import type { CodecTable, Decoder, DecoderOptions } from "../../src/core/decoder.js";
import type { Relation } from "../../src/core/relation.js";
import { BatchInProgress } from "../batch-in-progress.js";
import { fillUnchanged } from "../fill-unchanged.js";
import { DatabaseCodecs } from "../types/codecs.js";
import { ChangeMessage } from "./change-message.js";
import { hasSameKey, ImageWriter } from "./image-writer.js";
import { RelationShapes } from "./relation-shapes.js";

/** Options of {@link Wal2jsonDecoder}; nothing is held back, so nothing is ever spilled. */
export interface Wal2jsonOptions extends DecoderOptions {
  /** How cells are read. Default: PostgreSQL's own types. */
  readonly codecs?: CodecTable;
  /** The tables by the catalogue: what messages leave out is known from there (RelationShapes). */
  readonly tables?: readonly CatalogTable[];
}

const BUILT_IN: CodecTable = new DatabaseCodecs([], false);

/**
 * Decodes wal2json, format version 2, with the options that docs/decoder.md lists. The plugin sends
 * transactions whole, at their commit. Changes come out as pgoutput's would: an old row where the
 * replica identity is FULL, an old key where an UPDATE changed it and with a DELETE, and nothing
 * else, although wal2json repeats the key with every UPDATE.
 */
export class Wal2jsonDecoder implements Decoder {
  readonly plugin = "wal2json";
  /** Always false: nothing is held back. */
  readonly isDelivering: boolean = false;
  readonly #output = new BatchInProgress();
  readonly #message = new ChangeMessage();
  readonly #images = new ImageWriter();
  readonly #shapes: RelationShapes;

  constructor(options: Wal2jsonOptions = {}) {
    this.#shapes = new RelationShapes(options.tables ?? [], options.codecs ?? BUILT_IN);
  }

  get isInTransaction(): boolean {
    return this.#output.open !== null;
  }

  get pending(): number {
    return this.#output.pending;
  }

  decode(bytes: Uint8Array, start: number, end: number): void {
    const message = this.#message;
    message.read(bytes, start, end);
    switch (message.action) {
      case "I":
      case "U":
      case "D":
      case "T":
        this.#change(message);
        break;
      case "B":
        this.#begin(message);
        break;
      case "C":
        this.#commit(message);
        break;
      case "M":
        this.#logicalMessage(message);
        break;
      default:
        throw message.cursor.error("unknown action");
    }
  }

  take(): Batch {
    return this.#output.take();
  }

  close(): void {}

  #begin({ cursor, xid, lsn: commitLsn, commitMs }: ChangeMessage): void {
    if (this.#output.open !== null) throw cursor.error("a transaction begins inside another one");
    if (xid === null || commitLsn === null || commitMs === null) {
      throw cursor.error("include-xids, include-lsn and include-timestamp have to be set");
    }
    this.#output.begin({ xid, commitLsn, commitMs, firstOrdinal: 0 });
  }

  #commit({ cursor, lsn, nextLsn }: ChangeMessage): void {
    const { open } = this.#output;
    if (open === null) throw cursor.error("a commit without a begin");
    if (lsn !== open.commitLsn) throw cursor.error("a commit of another transaction");
    if (nextLsn === null || nextLsn <= lsn) throw cursor.error("a commit without its end");
    this.#output.commit(open, nextLsn);
  }

  #logicalMessage({ cursor, isTransactional, lsn, prefix, content }: ChangeMessage): void {
    if (lsn === null) throw cursor.error("include-lsn has to be set");
    if (isTransactional && this.#output.open === null) {
      throw cursor.error("a transactional message outside a transaction");
    }
    const { batch } = this.#output;
    const bytes = Uint8Array.from(Buffer.from(content));
    batch.messages.push({ at: batch.length, isTransactional, lsn, prefix, content: bytes });
  }

  #change(message: ChangeMessage): void {
    const { cursor, action, columns, identity } = message;
    if (this.#output.open === null) {
      throw cursor.error("a change outside a transaction; include-transaction has to be set");
    }
    if (columns.isThere !== (action === "I" || action === "U")) {
      throw cursor.error("a change with the rows of another action");
    }
    if (identity.isThere ? action === "I" || action === "T" : action === "D") {
      throw cursor.error("a change with the rows of another action");
    }
    const { batch } = this.#output;
    const used = batch.cellsUsed;
    try {
      this.#push(batch, this.#shapes.of(message), message);
    } catch (error) {
      batch.cellsUsed = used;
      throw error;
    }
  }

  #push(batch: Batch, relation: Relation, message: ChangeMessage): void {
    const { cursor, action, columns, identity } = message;
    const images = this.#images;
    const isFull = relation.replicaIdentity === "full";
    const hasBefore =
      identity.isThere &&
      identity.count > 0 &&
      (action === "D" || isFull || !hasSameKey(cursor, identity, columns));
    images.begin(cursor, hasBefore ? [columns, identity] : [columns]);
    const before = hasBefore
      ? images.image(batch, relation, { cursor, fields: identity, isKey: true })
      : NO_IMAGE;
    const after = columns.isThere
      ? images.image(batch, relation, { cursor, fields: columns, isKey: false })
      : NO_IMAGE;
    if (isFull && before !== NO_IMAGE && after !== NO_IMAGE) {
      fillUnchanged(batch, relation, { before, after });
    }
    batch.push(OPS[action] as Op, relation, images.bytes, after, before);
  }
}

const OPS: Readonly<Record<string, Op>> = {
  I: Op.insert,
  U: Op.update,
  D: Op.delete,
  T: Op.truncate,
};
