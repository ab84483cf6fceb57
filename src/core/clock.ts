/** Time and timers as a value, so that tests can hold them still. */
export interface Clock {
  /** Milliseconds since the Unix epoch by the wall clock; for logs and display only. */
  now(): number;
  /** Milliseconds of a clock that never steps back; for intervals. */
  monotonic(): number;
  /** Runs `action` once after `delayMs`; the result cancels it. */
  after(delayMs: number, action: () => void): () => void;
  /** Runs `action` once input that has arrived has had its turn. */
  soon(action: () => void): void;
}
