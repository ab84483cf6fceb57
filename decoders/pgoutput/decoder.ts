import { assert } from "../../src/core/assert.js";
import type { Batch } from "../../src/core/batch.js";
import type { CodecTable, Decoder, DecoderOptions } from "../../src/core/decoder.js";
import type { Lsn } from "../../src/core/lsn.js";
import type { Relation } from "../../src/core/relation.js";
import { BatchInProgress } from "../batch-in-progress.js";
import { DatabaseCodecs } from "../types/codecs.js";
import { ChangeReader } from "./change-reader.js";
import { Delivery } from "./delivery.js";
import type { HeldTransaction } from "./held-transaction.js";
import { HeldTransactions } from "./held-transactions.js";
import { readLogicalMessage } from "./logical-message.js";
import { MessageReader } from "./reader.js";
import { readRelation } from "./relation-message.js";
import { type RelationVersion, RelationVersions } from "./relation-versions.js";
import { TAG } from "./tags.js";
import * as boundaries from "./transaction-messages.js";

/** Options of {@link PgoutputDecoder}. */
export interface PgoutputOptions extends DecoderOptions {
  /** How cells are read, and in which form they come. Default: PostgreSQL's own types, as text. */
  readonly codecs?: CodecTable;
}

const BUILT_IN: CodecTable = new DatabaseCodecs([], false);

/** What a commit says, whichever of the three commits it is. */
interface CommitFacts {
  readonly xid: number;
  readonly commitLsn: Lsn;
  readonly commitEndLsn: Lsn;
  readonly commitMs: number;
}

/**
 * Decodes pgoutput, protocol versions 1 to 4.
 *
 * A transaction that comes whole, between Begin and Commit, goes straight into the batch. One that
 * comes before its outcome is known (streamed in blocks, or prepared) is held back as the bytes of
 * its messages and decoded at its commit, through the same code, as if it had come whole then:
 * transactions therefore always leave in commit order, and what was rolled back never does. Holding
 * bytes rather than rows keeps the memory bounded (see HeldTransactions) and costs one copy.
 *
 * Relations are held per connection and by OID; a new description replaces the version for the
 * changes after it, while those before keep theirs. A held transaction has versions of its own,
 * because its rows may be decoded after later descriptions came. The descriptions that a rolled
 * back subtransaction brought count: the server does not repeat them for the rest.
 *
 * An unknown tag is PROTOCOL: a server sends nothing that the version asked for does not define,
 * and skipping what is not understood would lose changes.
 */
export class PgoutputDecoder implements Decoder {
  readonly plugin = "pgoutput";
  readonly #reader = new MessageReader();
  readonly #codecs: CodecTable;
  readonly #output = new BatchInProgress();
  readonly #changes: ChangeReader;
  readonly #versions = new RelationVersions();
  readonly #held: HeldTransactions;
  #announced = 0;
  #lastRelation: Relation | null = null;
  /** The transaction that the messages belong to that come now, unless they come whole. */
  #block: HeldTransaction | null = null;
  #delivery: Delivery | null = null;
  #deliveredEndLsn: Lsn = 0n;

  constructor(options: PgoutputOptions = {}) {
    this.#held = new HeldTransactions(options.spill ?? null, options.maxHeldBytes);
    this.#codecs = options.codecs ?? BUILT_IN;
    this.#changes = new ChangeReader(this.#output, this.#codecs.isBinary);
  }

  get isInTransaction(): boolean {
    return this.#output.open !== null || this.#block !== null;
  }

  get isDelivering(): boolean {
    return this.#delivery !== null;
  }

  get pending(): number {
    return this.#output.pending;
  }

  decode(bytes: Uint8Array, start: number, end: number): void {
    while (this.#delivery !== null) this.#deliverPart(this.#delivery);
    const reader = this.#reader;
    reader.reset(bytes, start, end);
    const tag = reader.uint8();
    if (this.#block !== null) this.#hold(reader, tag, this.#block);
    else if (this.#output.open !== null) this.#change(reader, tag);
    else this.#boundary(reader, tag);
  }

  take(): Batch {
    if (this.#delivery !== null) this.#deliverPart(this.#delivery);
    return this.#output.take();
  }

  close(): void {
    this.#held.close();
    this.#delivery?.close();
    this.#delivery = null;
  }

  /** A message between Begin and Commit. */
  #change(reader: MessageReader, tag: number): void {
    switch (tag) {
      case TAG.insert:
        this.#changes.insert(reader, this.#relation(reader));
        break;
      case TAG.update:
        this.#changes.update(reader, this.#relation(reader));
        break;
      case TAG.delete:
        this.#changes.delete(reader, this.#relation(reader));
        break;
      case TAG.truncate:
        this.#truncate(reader);
        break;
      case TAG.commit:
        this.#commit(boundaries.readCommit(reader), reader);
        break;
      case TAG.origin:
        assert(this.#output.open !== null, "an origin is read inside a transaction");
        this.#output.open.origin = boundaries.readOrigin(reader);
        break;
      case TAG.begin:
      case TAG.beginPrepare:
      case TAG.streamStart:
        throw reader.error("a transaction begins inside another one");
      default:
        this.#other(reader, tag);
    }
  }

  /** A message between two transactions. */
  #boundary(reader: MessageReader, tag: number): void {
    switch (tag) {
      case TAG.begin:
        this.#output.begin({ ...boundaries.readBegin(reader), firstOrdinal: 0 });
        break;
      case TAG.streamStart:
        this.#streamStart(reader);
        break;
      case TAG.streamCommit:
        this.#commitHeld(reader, boundaries.readStreamCommit(reader), false);
        break;
      case TAG.streamAbort:
        this.#streamAbort(reader);
        break;
      case TAG.streamPrepare:
        this.#prepare(reader, null);
        break;
      case TAG.beginPrepare:
        this.#beginPrepare(reader);
        break;
      case TAG.commitPrepared:
        this.#commitHeld(reader, boundaries.readCommitPrepared(reader), true);
        break;
      case TAG.rollbackPrepared: {
        const held = this.#held.get(boundaries.readRollbackPrepared(reader));
        if (held !== undefined) this.#held.drop(held);
        break;
      }
      case TAG.insert:
      case TAG.update:
      case TAG.delete:
      case TAG.truncate:
        throw reader.error("a change outside a transaction");
      case TAG.commit:
        throw reader.error("a commit without a begin");
      default:
        this.#other(reader, tag);
    }
  }

  /** Messages that may come inside a transaction and outside. */
  #other(reader: MessageReader, tag: number): void {
    switch (tag) {
      case TAG.relation:
        this.#versions.set(this.#announce(reader, this.#versions));
        this.#lastRelation = null;
        break;
      case TAG.type:
        boundaries.readType(reader);
        break;
      case TAG.message: {
        const message = readLogicalMessage(reader, this.#output.batch.length);
        if (message.isTransactional && this.#output.open === null) {
          throw reader.error("a transactional message outside a transaction");
        }
        this.#output.batch.messages.push(message);
        break;
      }
      default:
        throw reader.error("unknown message tag");
    }
  }

  /** A message of a stream block, or between Begin Prepare and Prepare. */
  #hold(reader: MessageReader, tag: number, held: HeldTransaction): void {
    const isStream = held.gid === null;
    if (tag === TAG.streamStop && isStream) {
      reader.finish();
      this.#block = null;
      return;
    }
    if (tag === TAG.prepare && !isStream) {
      this.#block = null;
      this.#prepare(reader, held);
      return;
    }
    switch (tag) {
      case TAG.insert:
      case TAG.update:
      case TAG.delete:
      case TAG.truncate:
      case TAG.message: {
        const subxid = isStream ? reader.uint32() : held.xid;
        if (!isStream) this.#pinVersions(reader, held);
        this.#held.append(held, subxid, reader);
        break;
      }
      case TAG.relation:
        if (isStream) {
          reader.uint32(); // the subtransaction: see the class
          this.#held.use(held, this.#announce(reader, held.versions));
        } else {
          this.#versions.set(this.#announce(reader, this.#versions));
        }
        break;
      case TAG.type:
        if (isStream) reader.uint32();
        boundaries.readType(reader);
        break;
      case TAG.origin: // comes with each block, without the id of a subtransaction
        this.#held.append(held, held.xid, reader);
        break;
      default:
        throw reader.error("a message that has no place inside a held transaction");
    }
  }

  /**
   * The server describes a relation to a prepared transaction only when it has not done so to
   * anyone, so the versions that are valid now are noted with it.
   */
  #pinVersions(reader: MessageReader, held: HeldTransaction): void {
    if (reader.tag === TAG.message) return;
    const at = reader.at;
    let count = 1;
    if (reader.tag === TAG.truncate) {
      count = reader.uint32();
      reader.uint8();
    }
    for (; count > 0; count--) {
      const oid = reader.uint32();
      const version = this.#versions.get(oid);
      if (version !== undefined && held.versions.get(oid) !== version)
        this.#held.use(held, version);
    }
    reader.at = at;
  }

  #streamStart(reader: MessageReader): void {
    const { xid, isFirst } = boundaries.readStreamStart(reader);
    const known = this.#held.get(xid);
    if (isFirst !== (known === undefined)) {
      throw reader.error(isFirst ? "a stream that begins twice" : "a stream without a beginning");
    }
    if (known !== undefined && known.gid !== null) {
      throw reader.error("a stream that goes on after its prepare");
    }
    this.#block = known ?? this.#held.begin(xid);
  }

  #streamAbort(reader: MessageReader): void {
    const { xid, subxid } = boundaries.readStreamAbort(reader);
    const held = this.#held.get(xid);
    if (held === undefined) return; // nothing of it came, so there is nothing to forget
    if (subxid === xid) this.#held.drop(held);
    else held.aborted.add(subxid);
  }

  #beginPrepare(reader: MessageReader): void {
    const { xid, gid } = boundaries.readBeginPrepare(reader);
    if (this.#held.get(xid) !== undefined) throw reader.error("a transaction that begins twice");
    this.#block = this.#held.begin(xid);
    this.#block.gid = gid;
  }

  /** Prepare ends the block of `expected`; Stream Prepare names a transaction that was streamed. */
  #prepare(reader: MessageReader, expected: HeldTransaction | null): void {
    const { xid, gid } = boundaries.readPrepare(reader);
    const held = this.#held.get(xid);
    if (held === undefined || (expected !== null && held !== expected)) {
      throw reader.error("the prepare of a transaction that did not come before it");
    }
    if (held.gid !== null && held.gid !== gid) throw reader.error("a prepare under another name");
    held.gid = gid;
  }

  #commit(facts: Omit<CommitFacts, "xid">, reader: MessageReader): void {
    const { open } = this.#output;
    assert(open !== null, "a commit is read inside a transaction");
    if (open.commitLsn !== facts.commitLsn) throw reader.error("a commit of another transaction");
    this.#output.commit(open, facts.commitEndLsn);
  }

  /** Stream Commit and Commit Prepared: what was held is delivered, a part with each `take`. */
  #commitHeld(reader: MessageReader, facts: CommitFacts, isPrepared: boolean): void {
    const { xid, commitLsn, commitMs } = facts;
    const held = this.#held.get(xid);
    if (held === undefined || (held.gid !== null) !== isPrepared) {
      throw reader.error("the commit of a transaction whose changes were not received");
    }
    this.#held.take(held);
    this.#output.begin({ xid, commitLsn, commitMs, firstOrdinal: 0 });
    this.#lastRelation = null;
    this.#delivery = new Delivery(held);
    this.#deliveredEndLsn = facts.commitEndLsn;
  }

  /** Decodes the next chunk of the transaction that is being delivered. */
  #deliverPart(delivery: Delivery): void {
    const reader = this.#reader;
    while (delivery.next(reader)) {
      const tag = reader.uint8();
      if (tag === TAG.relation) this.#lastRelation = null;
      else this.#change(reader, tag);
    }
    if (!delivery.isDone) return;
    this.#versions.mergeFrom(delivery.versions);
    this.#lastRelation = null;
    this.#delivery = null;
    delivery.close();
    const { open } = this.#output;
    assert(open !== null, "a delivery has a slice");
    this.#output.commit(open, this.#deliveredEndLsn);
  }

  #truncate(reader: MessageReader): void {
    const count = reader.uint32();
    reader.uint8(); // 1 CASCADE, 2 RESTART IDENTITY: all affected relations are listed anyway
    const relations: Relation[] = [];
    for (let i = 0; i < count; i++) relations.push(this.#relation(reader));
    reader.finish();
    this.#changes.truncate(reader, relations);
  }

  /** Reads a Relation message; one that says what `known` holds keeps the object. */
  #announce(reader: MessageReader, known: RelationVersions): RelationVersion {
    return readRelation(reader, {
      order: this.#announced++,
      known: (oid) => known.get(oid) ?? this.#versions.get(oid),
      codecOf: (typeOid, column) => this.#codecs.codecOf(typeOid, column),
    });
  }

  /** Reads the OID a change starts with. */
  #relation(reader: MessageReader): Relation {
    const oid = reader.uint32();
    if (this.#lastRelation !== null && this.#lastRelation.oid === oid) return this.#lastRelation;
    const version = this.#delivery?.versions.get(oid) ?? this.#versions.get(oid);
    if (version === undefined) throw reader.error(`relation ${oid} was never described`);
    this.#lastRelation = version.relation;
    return version.relation;
  }
}
