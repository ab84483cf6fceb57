import type { ReaderReport } from "./order.js";

/** Wall and CPU time of this process between two moments. */
export class Meter {
  #beganMs = 0;
  #cpu: NodeJS.CpuUsage = { user: 0, system: 0 };
  #measured: Pick<ReaderReport, "wallMs" | "userMs" | "systemMs" | "peakRssMiB"> | null = null;

  begin(): void {
    this.#beganMs = performance.now();
    this.#cpu = process.cpuUsage();
  }

  /** Stops the clocks; later calls change nothing. */
  end(): void {
    if (this.#measured !== null) return;
    const wallMs = performance.now() - this.#beganMs;
    const { user, system } = process.cpuUsage(this.#cpu);
    const peakRssMiB = process.resourceUsage().maxRSS / 1024;
    this.#measured = { wallMs, userMs: user / 1000, systemMs: system / 1000, peakRssMiB };
  }

  report(counted: Pick<ReaderReport, "rows" | "bytes" | "endLsn">): ReaderReport {
    this.end();
    if (this.#measured === null) throw new Error("the meter did not run");
    return { ...counted, ...this.#measured };
  }
}
