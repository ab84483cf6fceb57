/**
 * CPU time of this process so far, in milliseconds: user and system, all threads. Node 20 does not
 * tell that of the event loop's thread alone, so a difference is an upper bound of what it took.
 */
export function processCpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
