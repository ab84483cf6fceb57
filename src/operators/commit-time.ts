import { Timestamp } from "../core/timestamp.js";

/** A commit's time as text; it has microseconds, which `commitMs` has as a fraction. */
export function commitTime(commitMs: number): string {
  const ms = Math.floor(commitMs);
  return Timestamp.of(ms, Math.round((commitMs - ms) * 1000)).toString();
}
