/** A moment by both clocks, in milliseconds. */
export interface Moment {
  readonly atMs: number;
  /** User and system time of all threads so far. */
  readonly cpuMs: number;
}

export function now(): Moment {
  const { user, system } = process.cpuUsage();
  return { atMs: performance.now(), cpuMs: (user + system) / 1000 };
}

/**
 * Milliseconds that the event loop was at work since then, at most: no more than passed, and no
 * more than the process had of a CPU. Node 20 does not tell the time of one thread, so that helper
 * threads are contained, and the system's grain of about 4 ms, but neither beyond what passed.
 */
export function busyMsSince({ atMs, cpuMs }: Moment): number {
  const end = now();
  return Math.min(end.atMs - atMs, end.cpuMs - cpuMs);
}
