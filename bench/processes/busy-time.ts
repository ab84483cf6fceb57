import { closeSync, openSync, readSync } from "node:fs";

/** A moment by both clocks, in milliseconds. */
export interface Moment {
  readonly atMs: number;
  /** CPU time so far: of the main thread where Linux tells it, otherwise of all threads. */
  readonly cpuMs: number;
}

const schedstat = openSchedstat();
const line = Buffer.alloc(128);

export function now(): Moment {
  return { atMs: performance.now(), cpuMs: cpuMs() };
}

/**
 * Milliseconds that the event loop was at work since then, at most: no more than passed, and no
 * more than its thread had of a CPU. The system counts in grains of about 4 ms. Node 20 does not
 * tell the time of one thread; where Linux does not either, helper threads are contained.
 */
export function busyMsSince({ atMs, cpuMs: before }: Moment): number {
  const end = now();
  return Math.min(end.atMs - atMs, end.cpuMs - before);
}

/** A process's file is its first thread's: nanoseconds on a CPU, then two more numbers. */
function openSchedstat(): number | null {
  try {
    const file = openSync("/proc/self/schedstat", "r");
    process.once("exit", () => closeSync(file));
    return file;
  } catch {
    return null; // not Linux, or a kernel that does not count
  }
}

function cpuMs(): number {
  if (schedstat !== null) {
    const length = readSync(schedstat, line, 0, line.length, 0);
    return Number.parseInt(line.toString("latin1", 0, length), 10) / 1e6;
  }
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
