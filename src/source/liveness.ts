/** What the verdict is made from. Times are milliseconds of one monotonic clock. */
export interface LivenessFacts {
  readonly nowMs: number;
  /** When the last byte came, or reading began again after back-pressure. */
  readonly lastHeardMs: number;
  /** Whether we stopped reading ourselves; then silence says nothing about the server. */
  readonly isPaused: boolean;
  /** The session's wal_sender_timeout; 0 means the server sends no keepalives. */
  readonly walSenderTimeoutMs: number;
  /** How often in a row the watchdog has ended a connection that then brought nothing new. */
  readonly fruitlessTrips: number;
}

export type LivenessVerdict = "alive" | "probe" | "dead";

const MAX_LIMIT_MS = 30 * 60_000;

/**
 * Whether the connection still lives. A server sends a keepalive after half its timeout, so silence
 * for 1.5 timeouts is death, except while it decodes something enormous: each trip that brought no
 * progress doubles the limit, up to half an hour (or the first limit, where that is longer). From
 * one timeout on, "probe" asks the server for a sign of life. Off when wal_sender_timeout is 0.
 */
export function judgeLiveness(facts: LivenessFacts): LivenessVerdict {
  if (facts.walSenderTimeoutMs === 0 || facts.isPaused) return "alive";
  const silence = facts.nowMs - facts.lastHeardMs;
  const first = facts.walSenderTimeoutMs * 1.5;
  const limit = Math.max(first, Math.min(first * 2 ** facts.fruitlessTrips, MAX_LIMIT_MS));
  if (silence >= limit) return "dead";
  return silence >= facts.walSenderTimeoutMs ? "probe" : "alive";
}
