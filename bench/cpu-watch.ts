import { readFileSync } from "node:fs";
import { cpus } from "node:os";
import { join } from "node:path";
import { descendantsOf, readPidFile } from "../src/cli/embedded/process-table.js";

/** CPU time spent on this machine between two moments, in milliseconds; NaN where unknown. */
export interface CpuSpent {
  readonly wallMs: number;
  /** By the server's processes, those that have ended included. */
  readonly serverMs: number;
  /** By everything. */
  readonly machineMs: number;
}

/** /proc counts in hundredths of a second (USER_HZ). */
const TICK_MS = 10;

/** Begins to count; the function it returns ends it. Only Linux tells a server's CPU time. */
export function watchCpu(dataDir: string): () => CpuSpent {
  const postmaster = readPidFile(join(dataDir, "postmaster.pid"));
  const look = () => ({ atMs: performance.now(), server: serverMs(postmaster), busy: busyMs() });
  const before = look();
  return () => {
    const after = look();
    return {
      wallMs: after.atMs - before.atMs,
      serverMs: after.server - before.server,
      machineMs: after.busy - before.busy,
    };
  };
}

function busyMs(): number {
  return cpus().reduce(
    (sum, { times }) => sum + times.user + times.nice + times.sys + times.irq,
    0,
  );
}

/** Of the postmaster, its children, and its children that have ended. */
function serverMs(postmaster: number | undefined): number {
  if (process.platform !== "linux" || postmaster === undefined) return Number.NaN;
  return [postmaster, ...descendantsOf(postmaster)].reduce((sum, pid) => sum + cpuMsOf(pid), 0);
}

function cpuMsOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    // Behind the program's name, which may hold anything: state is field 3, utime 14 to cstime 17.
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks) * TICK_MS, 0);
  } catch {
    return 0; // it has just ended; its parent has its time now
  }
}
