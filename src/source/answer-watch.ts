import type { Socket } from "node:net";
import type { BackendFacts, NoFacts } from "./backend-facts.js";

// A statement may wait for a lock as long as it likes, so that no time limit tells a busy server
// from one that is gone; and TCP alone takes a quarter of an hour to give up bytes that nobody
// confirms, or never does when something between us and the server still does. So when an answer
// is late the server is asked, over a connection of its own, whether it still works on it.

/** A link slower than this is taken for a dead one. */
const SLOWEST_BYTES_PER_MS = 64;

/** Why a connection is given up, in words that go after "the server"; null: it is not. */
export function whyLost(seen: BackendFacts | NoFacts, patienceMs: number): string | null {
  if (seen === "silent") return "does not answer on a new connection either";
  if (seen === "refused" || !seen.isDirect) return null;
  if (seen.state === null) return "has no such connection any more";
  // What it has just answered may still be on its way to us.
  if (!seen.isWaitingForClient || seen.unchangedMs < patienceMs) return null;
  return "has nothing to do for this connection";
}

export interface AnswerWatchOptions {
  readonly socket: Socket;
  /** How long to wait for any byte of an answer before asking (milliseconds). */
  readonly afterMs: number;
  /** Looks at the server's side of the connection; never rejects. */
  readonly ask: () => Promise<BackendFacts | NoFacts>;
  /** Told that the connection was given up. */
  readonly onLost: () => void;
}

/** Watches over the answers on one connection, which it destroys when they will not come. */
export class AnswerWatch {
  readonly #options: AnswerWatchOptions;
  #pending = 0;
  #timer: NodeJS.Timeout | null = null;
  /** When the wait for the next answer began. */
  #sinceMs = 0;
  #bytesRead = 0;
  #bytesWritten = 0;

  constructor(options: AnswerWatchOptions) {
    this.#options = options;
  }

  /** Waits for a statement that was just sent. */
  async over<T>(statement: Promise<T>): Promise<T> {
    if (this.#pending++ === 0) this.#begin();
    try {
      return await statement;
    } finally {
      this.#pending--;
      this.#bytesWritten = this.#options.socket.bytesWritten;
      this.#begin();
    }
  }

  /** Begins to wait for the next answer, if there is one to come. */
  #begin(): void {
    this.#sinceMs = performance.now();
    this.#bytesRead = this.#options.socket.bytesRead;
    this.#wait(this.#options.afterMs);
  }

  #wait(ms: number): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = this.#pending === 0 ? null : setTimeout(() => void this.#look(), ms).unref();
  }

  async #look(): Promise<void> {
    const { socket, afterMs, ask, onLost } = this.#options;
    if (socket.bytesRead !== this.#bytesRead) return this.#begin();
    const bytes = socket.bytesWritten - this.#bytesWritten;
    const patienceMs = afterMs + bytes / SLOWEST_BYTES_PER_MS;
    const waitedMs = performance.now() - this.#sinceMs;
    if (waitedMs < patienceMs) return this.#wait(patienceMs - waitedMs);
    const since = this.#sinceMs;
    const why = whyLost(await ask(), afterMs);
    if (this.#pending === 0 || since !== this.#sinceMs || socket.destroyed) return;
    if (socket.bytesRead !== this.#bytesRead) return this.#begin();
    if (why === null) return this.#wait(afterMs);
    const seconds = ((performance.now() - since) / 1000).toFixed(1);
    const text = `no answer for ${seconds} s, and the server ${why}`;
    socket.destroy(Object.assign(new Error(text), { code: "ETIMEDOUT" }));
    onLost();
  }
}
