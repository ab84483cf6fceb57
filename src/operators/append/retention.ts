/** Removals are so many times finer than what is retained: each costs a scan. */
const REMOVALS_PER_RETAIN = 64;

/** Decides when the old rows of an append table are to be removed. */
export class Retention {
  readonly #retainMs: number | null;
  #newestMs = Number.NEGATIVE_INFINITY;
  #removedBeforeMs = Number.NEGATIVE_INFINITY;

  /** `retainMs` is how long a row stays behind the newest time; null keeps all. */
  constructor(retainMs: number | null) {
    this.#retainMs = retainMs;
  }

  /** A time that rows have reached. */
  see(ms: number): void {
    if (ms > this.#newestMs) this.#newestMs = ms;
  }

  /** The time below which rows are to be removed now, or null. */
  take(): number | null {
    if (this.#retainMs === null) return null;
    const boundMs = this.#newestMs - this.#retainMs;
    const leastStep = this.#retainMs / REMOVALS_PER_RETAIN;
    if (!(boundMs - this.#removedBeforeMs >= leastStep)) return null;
    this.#removedBeforeMs = boundMs;
    return boundMs;
  }
}
