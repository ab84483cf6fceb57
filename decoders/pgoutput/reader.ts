import { TidemarkError } from "../../src/core/errors.js";
import type { Lsn } from "../../src/core/lsn.js";

/**
 * A cursor over one message. Every read is checked against the message's end, so that a short or
 * lying message is a PROTOCOL error with its tag and offset and never reads a neighbour's bytes.
 */
export class MessageReader {
  bytes: Uint8Array = new Uint8Array(0);
  at = 0;
  end = 0;
  /** Kind of the message, its first byte; 0 for an empty one. */
  tag = 0;
  #start = 0;

  reset(bytes: Uint8Array, start: number, end: number): void {
    this.bytes = bytes;
    this.#start = start;
    this.at = start;
    this.end = end;
    this.tag = start < end ? (bytes[start] as number) : 0;
  }

  /** A length that counts bytes of this message: at most what is left of it. */
  length(): number {
    const length = this.int32();
    if (length < 0 || length > this.remaining) throw this.error("a length beyond the message");
    return length;
  }

  uint8(): number {
    this.#need(1);
    return this.bytes[this.at++] as number;
  }

  uint16(): number {
    this.#need(2);
    const { bytes, at } = this;
    this.at = at + 2;
    return ((bytes[at] as number) << 8) | (bytes[at + 1] as number);
  }

  int32(): number {
    this.#need(4);
    const { bytes, at } = this;
    this.at = at + 4;
    return (
      ((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)
    );
  }

  uint32(): number {
    return this.int32() >>> 0;
  }

  lsn(): Lsn {
    const high = this.uint32();
    return (BigInt(high) << 32n) | BigInt(this.uint32());
  }

  /** PostgreSQL's timestamp (microseconds since 2000-01-01) as milliseconds since 1970-01-01. */
  epochMs(): number {
    const high = this.int32();
    return (high * 4_294_967_296 + this.uint32()) / 1000 + 946_684_800_000;
  }

  /** The bytes from the cursor to the end. */
  get remaining(): number {
    return this.end - this.at;
  }

  cstring(): string {
    const from = this.at;
    let i = from;
    while (i < this.end && this.bytes[i] !== 0) i++;
    if (i === this.end) throw this.error("a string without its terminating zero byte");
    this.at = i + 1;
    return (this.bytes as Buffer).toString("utf8", from, i);
  }

  /** Throws unless the whole message was read. */
  finish(): void {
    if (this.at !== this.end) throw this.error(`${this.end - this.at} bytes too many`);
  }

  /** A PROTOCOL error that says what was wrong, in which message, and where. */
  error(problem: string): TidemarkError {
    const tag = this.tag;
    const name = tag > 32 && tag < 127 ? `"${String.fromCharCode(tag)}"` : `0x${tag.toString(16)}`;
    const offset = this.at - this.#start;
    return new TidemarkError(
      "PROTOCOL",
      `pgoutput message ${name}: ${problem}, at byte ${offset} of ${this.end - this.#start}.`,
      { detail: { tag, offset, bytes: this.end - this.#start } },
    );
  }

  #need(count: number): void {
    if (this.at + count > this.end) throw this.error("the message ends too early");
  }
}
