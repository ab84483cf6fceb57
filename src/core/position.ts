import type { Lsn } from "./lsn.js";

/**
 * Where a consumer stands. An LSN alone means nothing on another cluster or another timeline, so
 * the three travel together.
 */
export interface Position {
  /** `system_identifier` of the cluster, decimal digits. */
  readonly systemId: string;
  /** Timeline of the WAL the LSN was read from. */
  readonly timeline: number;
  /** A commit end LSN, or the end of WAL named by a keepalive while nothing was open. */
  readonly lsn: Lsn;
}
