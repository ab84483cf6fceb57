import { crc32 } from "node:zlib";
import { TidemarkError } from "../core/errors.js";
import { ByteWriter } from "./byte-writer.js";
import type { StateSchema } from "./state-schema.js";

// A block: "TMB" and format version 2, Uint32 schema hash, the schema's text (length and bytes),
// body, Uint32 CRC-32 of all before it. Integers in the text's length and the body are unsigned
// LEB128; doubles are 8 bytes; all little-endian. A delta has version 3, so that a Tidemark that
// knows none refuses it, and in front of its body the Uint32 CRC-32 of the block that it follows.

const MAGIC = 0x02424d54; // "TMB" 0x02, read little-endian
const DELTA_MAGIC = 0x03424d54;
const HEADER_BYTES = 8;
const CRC_BYTES = 4;
/** More than what stands round a body, the schema's text apart. */
const HEADER_ROOM = 64;

/** Writes a state block. */
export class BlockWriter extends ByteWriter {
  /**
   * `follows` makes it a delta: the checksum of the block before it in the chain. The body takes
   * about `expectedBytes`, so that room need not be made again and again.
   */
  constructor(schema: StateSchema, follows: number | null = null, expectedBytes = 512) {
    super(expectedBytes + schema.text.length + HEADER_ROOM);
    this.uint32(follows === null ? MAGIC : DELTA_MAGIC);
    this.uint32(schema.hash);
    this.bytes(schema.text);
    if (follows !== null) this.uint32(follows);
  }

  /** The finished block, which the caller owns. */
  finish(): Uint8Array {
    this.uint32(crc32(this.written));
    return this.take();
  }
}

/** The checksum that ends a block. */
export function checksumOf(block: Uint8Array): number {
  const { buffer, byteOffset, length } = block;
  return new DataView(buffer, byteOffset, length).getUint32(length - CRC_BYTES, true);
}

/** Reads a block after checking checksum and format; whether the schema fits is the caller's. */
export class BlockReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #end: number;
  readonly #operator: string;
  #at = HEADER_BYTES;
  /** What the state was made under. */
  readonly schema: StateSchema;
  /** Of a delta, the checksum of the block that it follows; null for a block that stands alone. */
  readonly follows: number | null;

  /** Throws CHECKPOINT_CORRUPT. */
  constructor(bytes: Uint8Array, operator: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#end = bytes.length - CRC_BYTES;
    this.#operator = operator;
    const isWhole =
      this.#end >= HEADER_BYTES &&
      this.#view.getUint32(this.#end, true) === crc32(bytes.subarray(0, this.#end));
    const magic = isWhole ? this.#view.getUint32(0, true) : 0;
    if (magic !== MAGIC && magic !== DELTA_MAGIC) throw corrupt(operator);
    this.schema = { hash: this.#view.getUint32(4, true), text: this.bytes() };
    this.follows = magic === MAGIC ? null : this.#view.getUint32(this.#skip(4), true);
  }

  /** Bytes of the whole block. */
  get size(): number {
    return this.#bytes.length;
  }

  get checksum(): number {
    return checksumOf(this.#bytes);
  }

  /** Throws CHECKPOINT_CORRUPT unless the block follows the one with this checksum (null: none). */
  requireFollows(checksum: number | null): void {
    if (this.follows !== checksum) throw corrupt(this.#operator);
  }

  get isAtEnd(): boolean {
    return this.#at >= this.#end;
  }

  integer(): number {
    let value = 0;
    let factor = 1;
    for (;;) {
      const byte = this.#bytes[this.#skip(1)] as number;
      value += (byte & 127) * factor;
      if (byte < 128) return value;
      factor *= 128;
    }
  }

  double(): number {
    return this.#view.getFloat64(this.#skip(8), true);
  }

  /** A view of the block's own bytes. */
  bytes(): Uint8Array {
    const length = this.integer();
    const start = this.#skip(length);
    return this.#bytes.subarray(start, start + length);
  }

  text(): string {
    const bytes = this.bytes();
    let text = "";
    for (let i = 0; i < bytes.length; i += 8192) {
      text += String.fromCharCode(...bytes.subarray(i, i + 8192));
    }
    return text;
  }

  /** Moves past `count` bytes and returns where they begin. */
  #skip(count: number): number {
    const start = this.#at;
    if (start + count > this.#end) throw corrupt(this.#operator);
    this.#at = start + count;
    return start;
  }
}

function corrupt(operator: string): TidemarkError {
  return new TidemarkError(
    "CHECKPOINT_CORRUPT",
    `A checkpoint block of ${operator} is damaged (checksum or format). Nothing was loaded; ` +
      "restore the checkpoint tables from a backup, or run with --reset.",
    { detail: { operator } },
  );
}
