import type { Batch } from "./batch.js";
import type { CatalogTable, CatalogType } from "./catalog.js";
import type { CellCodec } from "./cell-codec.js";
import type { SpillStore } from "./spill.js";

/**
 * Turns the messages of a logical replication stream into batches. One decoder serves one
 * connection: relation versions do not outlive it.
 */
export interface Decoder {
  /** The output plugin of the slot whose messages this decoder reads. */
  readonly plugin: string;
  /**
   * Decodes the message in `bytes[start, end)` into the current batch. The bytes stay referenced
   * by the batch and must not change afterwards. Throws TidemarkError PROTOCOL, with tag and
   * offset, on bytes that are no valid message; the batch then keeps only whole changes.
   */
  decode(bytes: Uint8Array, start: number, end: number): void;
  /**
   * Whether a transaction that was held back has committed and has not been handed over whole. Each
   * `take` then gives another part of it. A `decode` before that first decodes all the rest into
   * one batch, so whoever wants bounded memory takes until this is false.
   */
  readonly isDelivering: boolean;
  /** Whether a transaction has begun and its end was not seen yet. */
  readonly isInTransaction: boolean;
  /** Changes, transaction slices and logical messages decoded since the last `take`. */
  readonly pending: number;
  /**
   * Hands over the current batch and starts another one; an open transaction goes on there as a
   * new slice.
   */
  take(): Batch;
  /** Forgets what is held back and gives its room back; the connection is over. */
  close(): void;
}

/** What a decoder is given by whoever opens the connection. */
export interface DecoderOptions {
  /** Where held transactions go that memory shall not hold. Without one, memory is all there is. */
  readonly spill?: SpillStore;
  /** Bytes of held transactions in memory; beyond, they spill. Default: 32 MiB. */
  readonly maxHeldBytes?: number;
}

/** How a user wants the values of a type or a column. */
export interface ValueParser {
  /** The TypeScript type that `parse` returns, as source text, for `tidemark types`. */
  readonly tsType: string;
  /** Makes a value of PostgreSQL's text; never called for NULL. */
  parse(text: string): unknown;
}

/** Parsers by the name of a type (`numeric`) or of a column (`public.events.data`). */
export type ValueParsers = Readonly<Record<string, ValueParser>>;

/** Knows how the cells of a database's types are read, in the form that was agreed on. */
export interface CodecTable {
  /** Whether cells come in PostgreSQL's binary form rather than as text. */
  readonly isBinary: boolean;
  /** `column` is its full name, `schema.table.column`, where it has one. */
  codecOf(typeOid: number, column?: string): CellCodec;
  /** Whether the type has a binary form that is read. */
  hasBinary(typeOid: number, column?: string): boolean;
}

/** Makes decoders, and knows the types they read, so that plans can be checked beforehand. */
export interface DecoderFactory {
  readonly plugin: string;
  create(options?: DecoderOptions): Decoder;
  /** The codec that the decoder will use for a column of this type. */
  codecOf(typeOid: number, column?: string): CellCodec;
  /**
   * A factory for a database that has these types beside PostgreSQL's own. `tables` are those that
   * will be read, for plugins that do not describe them.
   */
  forTypes(
    types: readonly CatalogType[],
    isBinary: boolean,
    tables?: readonly CatalogTable[],
  ): DecoderFactory & CodecTable;
}
