import type { Lsn } from "../core/lsn.js";
import type { Keepalive } from "./frames.js";

// A server that shuts down waits until its walsenders' clients have flushed everything, and asks
// with a keepalive after each answer (walsender.c, WalSndDone). In ordinary life a keepalive asks
// only after half of wal_sender_timeout without a word from us, which our status timer prevents.

/** A client that has answered this many times in a second is being waited for. */
const BURST = 4;
const BURST_MS = 1000;

/** What has been seen so far; a plain value that {@link observeKeepalive} replaces. */
export interface DrainState {
  readonly walEnd: Lsn;
  readonly askedAtMs: readonly number[];
}

export const NO_DRAIN: DrainState = { walEnd: 0n, askedAtMs: [] };

/** Folds a keepalive in. `nowMs` is monotonic. */
export function observeKeepalive(
  state: DrainState,
  keepalive: Keepalive,
  nowMs: number,
): DrainState {
  if (!keepalive.isReplyRequested) return state;
  const isSameEnd = keepalive.walEnd === state.walEnd;
  const recent = isSameEnd ? state.askedAtMs.filter((at) => nowMs - at < BURST_MS) : [];
  return { walEnd: keepalive.walEnd, askedAtMs: [...recent, nowMs].slice(-BURST) };
}

/** Whether the server is waiting for us so that it can stop. */
export function isDraining(state: DrainState): boolean {
  return state.askedAtMs.length >= BURST;
}
