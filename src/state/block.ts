import { crc32 } from "node:zlib";
import { TidemarkError } from "../core/errors.js";
import type { StateSchema } from "./state-schema.js";

// A block: "TMB" and format version 2, Uint32 schema hash, the schema's text (length and bytes),
// body, Uint32 CRC-32 of all before it. Integers in the text's length and the body are unsigned
// LEB128; doubles are 8 bytes; all little-endian.

const MAGIC = 0x02424d54; // "TMB" 0x02, read little-endian
const HEADER_BYTES = 8;
const CRC_BYTES = 4;

/** Writes a state block. */
export class BlockWriter {
  #bytes: Uint8Array = new Uint8Array(1024);
  #view: DataView = new DataView(this.#bytes.buffer);
  #length = 0;

  constructor(schema: StateSchema) {
    this.#uint32(MAGIC);
    this.#uint32(schema.hash);
    this.bytes(schema.text);
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  /** A non-negative integer up to 2^53 - 1. */
  integer(value: number): void {
    this.#reserve(8);
    let rest = value;
    while (rest >= 128) {
      this.#bytes[this.#length++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#length++] = rest;
  }

  double(value: number): void {
    this.#reserve(8);
    this.#view.setFloat64(this.#length, value, true);
    this.#length += 8;
  }

  bytes(value: Uint8Array): void {
    this.integer(value.length);
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  /** ASCII text. */
  text(value: string): void {
    this.integer(value.length);
    this.#reserve(value.length);
    for (let i = 0; i < value.length; i++) this.#bytes[this.#length++] = value.charCodeAt(i);
  }

  /** The finished block, which the caller owns. */
  finish(): Uint8Array {
    this.#uint32(crc32(this.#bytes.subarray(0, this.#length)));
    return this.#bytes.slice(0, this.#length);
  }

  #uint32(value: number): void {
    this.#reserve(4);
    this.#view.setUint32(this.#length, value, true);
    this.#length += 4;
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + count));
    larger.set(this.#bytes);
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
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

  /** Throws CHECKPOINT_CORRUPT. */
  constructor(bytes: Uint8Array, operator: string) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#end = bytes.length - CRC_BYTES;
    this.#operator = operator;
    const isWhole =
      this.#end >= HEADER_BYTES &&
      this.#view.getUint32(this.#end, true) === crc32(bytes.subarray(0, this.#end)) &&
      this.#view.getUint32(0, true) === MAGIC;
    if (!isWhole) throw corrupt(operator);
    this.schema = { hash: this.#view.getUint32(4, true), text: this.bytes() };
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
