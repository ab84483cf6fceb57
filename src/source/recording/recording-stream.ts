import type { Decoder } from "../../core/decoder.js";
import { TidemarkError } from "../../core/errors.js";
import type { Lsn } from "../../core/lsn.js";
import type { Position } from "../../core/position.js";
import type { ChangeStream, StreamHandlers } from "../../core/source.js";
import { FrameReader, type Keepalive } from "../frames.js";
import type { RecordedPiece } from "./recording.js";

const TAG = { begin: 0x42, commit: 0x43, relation: 0x52, type: 0x59 } as const;

/** What a {@link RecordingStream} reads and whom it tells. */
export interface RecordingStreamOptions {
  /** The stream from a boundary at or before `position` on. */
  readonly pieces: AsyncIterable<RecordedPiece>;
  /** Transactions that this position has already are left out. */
  readonly position: Position;
  readonly decoder: Decoder;
  readonly handlers: StreamHandlers;
  /** Told what is durable and what is visible. */
  onReport?(flush: Lsn, apply: Lsn): void;
}

/** What a piece is read for. */
type Mode = "descriptions" | "search" | "skip" | "read";

/**
 * Plays recorded messages as if a server sent them; `closed` is fulfilled at their end. A piece
 * makes one batch, unless the server's clock moved in the middle of it.
 */
export class RecordingStream implements ChangeStream {
  readonly closed: Promise<void>;
  readonly position: Position;
  bytesReceived = 0;
  readonly #options: RecordingStreamOptions;
  readonly #decoder: Decoder;
  readonly #frames: FrameReader;
  #mode: Mode = "search";
  #isStarted = false;
  #isPaused = true;
  #isClosed = false;
  #wake: () => void = () => {};
  #settle: { readonly end: () => void; readonly fail: (error: unknown) => void };

  constructor(options: RecordingStreamOptions) {
    this.#options = options;
    this.#decoder = options.decoder;
    this.position = options.position;
    this.#frames = new FrameReader({
      onMessage: (bytes, start, end) => this.#onMessage(bytes, start, end),
      onKeepalive: (keepalive) => this.#onKeepalive(keepalive),
      onOther: () => {
        throw new TidemarkError("PROTOCOL", "A recording holds a message that is no CopyData.");
      },
    });
    let settle = { end: () => {}, fail: (_: unknown) => {} };
    this.closed = new Promise((end, fail) => {
      settle = { end, fail };
    });
    this.#settle = settle;
    this.closed.catch(() => {}); // observed by the owner; never an unhandled rejection
  }

  resume(): void {
    this.#isPaused = false;
    this.#wake();
    if (this.#isStarted) return;
    this.#isStarted = true;
    this.#play().then(this.#settle.end, this.#settle.fail);
  }

  pause(): void {
    this.#isPaused = true;
  }

  report(flush: Lsn, apply: Lsn): void {
    this.#options.onReport?.(flush, apply);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#wake();
    if (!this.#isStarted) this.#settle.end();
    await this.closed.catch(() => {});
  }

  async #play(): Promise<void> {
    for await (const { bytes, isPreface } of this.#options.pieces) {
      while (this.#isPaused && !this.#isClosed) {
        await new Promise<void>((resolve) => {
          this.#wake = resolve;
        });
      }
      if (this.#isClosed) return;
      this.bytesReceived += bytes.length;
      if (isPreface) this.#mode = "descriptions";
      else if (this.#mode === "descriptions") this.#mode = "search";
      this.#frames.feed(bytes);
      this.#handOver();
    }
  }

  #onMessage(bytes: Uint8Array, start: number, end: number): void {
    if (this.#mode === "read" || this.#wants(bytes, start)) this.#decoder.decode(bytes, start, end);
  }

  /** Whether a message matters that comes before the first transaction to be read. */
  #wants(bytes: Uint8Array, start: number): boolean {
    const tag = bytes[start];
    if (tag === TAG.relation || tag === TAG.type) return true;
    if (this.#mode === "search" && tag === TAG.begin) {
      const isOld = readLsn(bytes, start + 1) < this.position.lsn;
      this.#mode = isOld ? "skip" : "read";
      return !isOld;
    }
    if (this.#mode === "skip" && tag === TAG.commit) this.#mode = "search";
    return false;
  }

  #onKeepalive({ walEnd, serverMs }: Keepalive): void {
    if (this.#mode === "descriptions" || walEnd < this.position.lsn) return;
    this.#handOver();
    this.#options.handlers.onIdle(walEnd, serverMs, false);
  }

  #handOver(): void {
    if (this.#decoder.pending > 0) this.#options.handlers.onBatch(this.#decoder.take());
  }
}

function readLsn(bytes: Uint8Array, at: number): Lsn {
  return Buffer.from(bytes.buffer, bytes.byteOffset + at, 8).readBigUInt64BE();
}
