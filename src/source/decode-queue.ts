import type { Batch } from "../core/batch.js";
import type { Decoder } from "../core/decoder.js";

interface Message {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/**
 * Stands between a connection and its decoder. A held transaction that commits may be larger than
 * memory, so it is handed over in parts, and what the same read brought behind it waits here. The
 * socket is not read meanwhile, which bounds the queue to one read.
 */
export class DecodeQueue {
  readonly #decoder: Decoder;
  readonly #waiting: Message[] = [];

  constructor(decoder: Decoder) {
    this.#decoder = decoder;
  }

  /** Whether there is more to take before the next read. */
  get isBusy(): boolean {
    return this.#decoder.isDelivering || this.#waiting.length > 0;
  }

  /** Whether a keepalive that comes now comes inside a transaction. */
  get isInTransaction(): boolean {
    return this.isBusy || this.#decoder.isInTransaction;
  }

  push(bytes: Uint8Array, start: number, end: number): void {
    if (this.isBusy) this.#waiting.push({ bytes, start, end });
    else this.#decoder.decode(bytes, start, end);
  }

  /** The next batch, or null when nothing has come. Ask again while `isBusy`. */
  take(): Batch | null {
    const decoder = this.#decoder;
    while (!decoder.isDelivering) {
      const message = this.#waiting.shift();
      if (message === undefined) break;
      decoder.decode(message.bytes, message.start, message.end);
    }
    return decoder.pending > 0 ? decoder.take() : null;
  }

  close(): void {
    this.#waiting.length = 0;
    this.#decoder.close();
  }
}
