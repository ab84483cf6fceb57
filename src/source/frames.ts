import { TidemarkError } from "../core/errors.js";
import type { Lsn } from "../core/lsn.js";

// A backend message is a tag byte and an Int32 length that counts itself. In copy mode the server
// sends CopyData ('d') whose payload is XLogData ('w': Int64 start, Int64 end, Int64 clock, data)
// or a keepalive ('k': Int64 end of WAL, Int64 clock, Byte1 reply requested).
// Manual: 54.7 "Message Formats", 54.4 "Streaming Replication Protocol".

const COPY_DATA = 0x64;
const XLOG_DATA = 0x77;
const KEEPALIVE = 0x6b;
const HEADER = 5;
const XLOG_HEADER = 25;
const KEEPALIVE_BYTES = 18;
const FIRST_HOLD = 1 << 16;

/** A keepalive of the walsender. */
export interface Keepalive {
  /** The server has sent everything it will send up to here. */
  readonly walEnd: Lsn;
  /** The server's clock, milliseconds since the Unix epoch. */
  readonly serverMs: number;
  readonly isReplyRequested: boolean;
}

/** What a {@link FrameReader} finds; the bytes may be kept, they are never written to again. */
export interface FrameHandler {
  /** The payload of an XLogData message: one message of the output plugin. */
  onMessage(bytes: Uint8Array, start: number, end: number): void;
  onKeepalive(keepalive: Keepalive): void;
  /** Any message that is not CopyData, whole, with its header. */
  onOther(frame: Uint8Array): void;
}

/**
 * Cuts the byte stream of a replication connection into messages, wherever the reads split it. A
 * message that lies whole in a read is handed on without copying; one that does not is collected
 * in a buffer of its own, which grows with what has really arrived, never with what a length field
 * claims.
 */
export class FrameReader {
  readonly #handler: FrameHandler;
  readonly #maxBytes: number;
  #held: Buffer = Buffer.alloc(0);
  #heldBytes = 0;
  #walHigh = 0;
  #walLow = 0;
  /** Where the current message starts, counted from the first byte fed. */
  #offset = 0;

  /** `maxBytes`: a longer message is refused with PROTOCOL. */
  constructor(handler: FrameHandler, maxBytes: number = 2 ** 30 + 2 ** 20) {
    this.#handler = handler;
    this.#maxBytes = maxBytes;
  }

  /** WAL position named by the last XLogData message. */
  get lastWalStart(): Lsn {
    return (BigInt(this.#walHigh) << 32n) | BigInt(this.#walLow);
  }

  /** Takes the next read. */
  feed(chunk: Uint8Array): void {
    let at = this.#heldBytes > 0 ? this.#completeHeld(chunk) : 0;
    while (at + HEADER <= chunk.length) {
      const end = at + 1 + this.#length(chunk, at);
      if (end > chunk.length) break;
      this.#dispatch(chunk, at, end);
      at = end;
    }
    if (at < chunk.length) this.#hold(chunk, at, chunk.length);
  }

  /** Completes the held message from the head of `chunk`; returns how many bytes that took. */
  #completeHeld(chunk: Uint8Array): number {
    let at = 0;
    if (this.#heldBytes < HEADER) {
      at = Math.min(HEADER - this.#heldBytes, chunk.length);
      this.#hold(chunk, 0, at);
      if (this.#heldBytes < HEADER) return at;
    }
    const total = 1 + this.#length(this.#held, 0);
    const take = Math.min(total - this.#heldBytes, chunk.length - at);
    this.#hold(chunk, at, at + take);
    at += take;
    if (this.#heldBytes === total) {
      const frame = this.#held;
      this.#held = Buffer.alloc(0);
      this.#heldBytes = 0;
      this.#dispatch(frame, 0, total);
    }
    return at;
  }

  #hold(chunk: Uint8Array, from: number, to: number): void {
    const needed = this.#heldBytes + to - from;
    if (needed > this.#held.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(FIRST_HOLD, needed, this.#held.length * 2));
      larger.set(this.#held.subarray(0, this.#heldBytes));
      this.#held = larger;
    }
    this.#held.set(chunk.subarray(from, to), this.#heldBytes);
    this.#heldBytes = needed;
  }

  #length(bytes: Uint8Array, at: number): number {
    const length = uint32(bytes, at + 1);
    if (length < 4 || length > this.#maxBytes) {
      throw this.#error(`a message of ${length} bytes`, bytes[at] as number);
    }
    return length;
  }

  #dispatch(bytes: Uint8Array, at: number, end: number): void {
    const start = at + HEADER;
    const kind = bytes[start];
    if (bytes[at] !== COPY_DATA) {
      this.#handler.onOther(bytes.subarray(at, end));
    } else if (kind === XLOG_DATA && end - start >= XLOG_HEADER) {
      this.#walHigh = uint32(bytes, start + 1);
      this.#walLow = uint32(bytes, start + 5);
      this.#handler.onMessage(bytes, start + XLOG_HEADER, end);
    } else if (kind === KEEPALIVE && end - start === KEEPALIVE_BYTES) {
      this.#handler.onKeepalive(readKeepalive(bytes, start + 1));
    } else {
      throw this.#error(
        `a CopyData payload of ${end - start} bytes`,
        start < end ? (kind ?? 0) : 0,
      );
    }
    this.#offset += end - at;
  }

  #error(problem: string, tag: number): TidemarkError {
    const offset = this.#offset;
    return new TidemarkError(
      "PROTOCOL",
      `The replication connection carried ${problem} with tag 0x${tag.toString(16)} at byte ` +
        `${offset}, which is not what the protocol allows; the connection is dropped and read ` +
        "anew from the checkpoint.",
      { detail: { tag, offset } },
    );
  }
}

function readKeepalive(bytes: Uint8Array, at: number): Keepalive {
  const walEnd = (BigInt(uint32(bytes, at)) << 32n) | BigInt(uint32(bytes, at + 4));
  const high = uint32(bytes, at + 8) | 0;
  const serverMs = (high * 4_294_967_296 + uint32(bytes, at + 12)) / 1000 + 946_684_800_000;
  return { walEnd, serverMs, isReplyRequested: bytes[at + 16] === 1 };
}

function uint32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)) >>>
    0
  );
}
