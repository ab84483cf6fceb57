/** What the decision is made from. Times are milliseconds of one monotonic clock. */
export interface FlushFacts {
  readonly nowMs: number;
  /** Results may be collected: no transaction is half-way, nothing is being replayed. */
  readonly isCollectable: boolean;
  /** A write is under way, or must not begin yet. */
  readonly isWriting: boolean;
  /** A checkpoint is under way: the next one waits for it, results do not. */
  readonly isCheckpointing: boolean;
  /** Transactions have been processed since the last flush began. */
  readonly hasNews: boolean;
  /** The position moved since the last checkpoint. */
  readonly isCheckpointBehind: boolean;
  /** Someone waits for the position to become durable (a server or ourselves shutting down). */
  readonly isUrgent: boolean;
  /** Bytes received since the last flush began. */
  readonly bytesSinceFlush: number;
  /** When the last flush began. */
  readonly lastFlushMs: number;
  /** How long its write took. */
  readonly lastWriteMs: number;
  readonly lastCheckpointMs: number;
  /** Longest wait while a backlog is read. */
  readonly flushIntervalMs: number;
  /** Depends on whether rows come or the stream is idle. */
  readonly checkpointIntervalMs: number;
}

/** What to do now; `waitMs` says when to ask again if nothing else happens, null never. */
export interface FlushDecision {
  readonly flush: boolean;
  readonly checkpoint: boolean;
  readonly waitMs: number | null;
}

// 10 MB/s are some 60,000 rows a second: more than arrives live, less than any backlog is read at.
const BACKLOG_BYTES_PER_MS = 10_000;
/** Below this a rate says nothing. */
const BACKLOG_MIN_BYTES = 128 * 1024;
/** A write and the pause after it last at least so many times as long as the write. */
const WRITE_SHARE = 3;
/** Beginnings of writes are at least so far apart: more would only cost, nobody sees more often. */
const MIN_INTERVAL_MS = 5;

/**
 * When to write results, and when a checkpoint with them. One write at a time, at a commit.
 *
 * Each write costs the database more than the rows in it, so that writes take at most a third of
 * the time: a quiet stream is written at once, a steady one every few milliseconds, and where the
 * database is slow because it is loaded, more seldom by itself. While a backlog is read nobody
 * waits for the newest row, and the interval is `flushIntervalMs`. Whether there is a backlog is
 * told from the rate of bytes, not their number, so that one slow write does not look like one.
 */
export function decideFlush(facts: FlushFacts): FlushDecision {
  if (facts.isWriting || !facts.isCollectable) return NOTHING;
  const checkpointInMs = facts.lastCheckpointMs + facts.checkpointIntervalMs - facts.nowMs;
  const mayCheckpoint = facts.isCheckpointBehind && !facts.isCheckpointing;
  const checkpoint = mayCheckpoint && (facts.isUrgent || checkpointInMs <= 0);
  const intervalMs = isBacklog(facts)
    ? facts.flushIntervalMs
    : Math.min(facts.flushIntervalMs, Math.max(MIN_INTERVAL_MS, WRITE_SHARE * facts.lastWriteMs));
  const flushInMs = facts.lastFlushMs + intervalMs - facts.nowMs;
  const flush = checkpoint || (facts.hasNews && flushInMs <= 0);
  const waits = [
    facts.hasNews && !flush ? flushInMs : null,
    mayCheckpoint && !checkpoint ? checkpointInMs : null,
  ].filter((ms) => ms !== null);
  return { flush, checkpoint, waitMs: waits.length === 0 ? null : Math.max(1, Math.min(...waits)) };
}

function isBacklog({ bytesSinceFlush, nowMs, lastFlushMs }: FlushFacts): boolean {
  return (
    bytesSinceFlush > BACKLOG_MIN_BYTES &&
    bytesSinceFlush > (nowMs - lastFlushMs) * BACKLOG_BYTES_PER_MS
  );
}

const NOTHING: FlushDecision = { flush: false, checkpoint: false, waitMs: null };
