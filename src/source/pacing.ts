// A walsender makes a system call a message and wakes its reader each time, so that a reader that
// keeps up gets a few hundred bytes a read and both sides spend their time in the kernel. Leaving
// the socket alone for a millisecond after a small read lets the kernel's buffer fill, and
// throughput doubles (`npm run bench -- throughput`). A transaction comes in several sends, so a
// stream that is nearly idle is read without pauses: there they would only add to the latency.

/** Reads at least this large mean that more is waiting: read on at once. */
export const FULL_READ_BYTES = 60_000;

/** Below this many recent bytes (see {@link RecentBytes}) waking up often costs nothing. */
export const QUIET_BYTES = 4_096;

/** How long to leave the socket alone after a small read, in milliseconds. */
export const PAUSE_MS = 1;

/** Whether to wait before the next read; `recentBytes` includes this one. */
export function wantsPause(bytesRead: number, recentBytes: number): boolean {
  return bytesRead < FULL_READ_BYTES && recentBytes >= QUIET_BYTES;
}

const HALF_LIFE_MS = 4;

/** Counts bytes and forgets half of them every four milliseconds. */
export class RecentBytes {
  #bytes = 0;
  #atMs = 0;

  /** Adds a read at a time of a monotonic clock; returns what is remembered. */
  add(bytes: number, nowMs: number): number {
    this.#bytes = this.#bytes * 2 ** ((this.#atMs - nowMs) / HALF_LIFE_MS) + bytes;
    this.#atMs = nowMs;
    return this.#bytes;
  }
}
