import { styleText } from "node:util";
import { formatLsn } from "../../core/lsn.js";
import type { RunStatus } from "../../index.js";

/** What the demo shows at a moment. */
export interface DemoFrame {
  readonly status: RunStatus | null;
  readonly rowsPerSecond: number;
  /** Bytes of WAL between the server's end and what is visible in the view. */
  readonly lagBytes: number;
  /** Newest rows of the view: type, window, count, sum. */
  readonly rows: readonly (readonly string[])[];
}

/** Shows frames in place on a terminal, and as a line each elsewhere. */
export class DemoScreen {
  #height = 0;

  show(frame: DemoFrame): void {
    if (process.stdout.isTTY !== true) {
      process.stdout.write(`${this.#summary(frame)}\n`);
      return;
    }
    const lines = [this.#summary(frame), "", ...table(frame.rows), "", "Ctrl-C stops."];
    const up = this.#height > 0 ? `\u001b[${this.#height}A\u001b[0J` : "";
    process.stdout.write(`${up}${lines.join("\n")}\n`);
    this.#height = lines.length;
  }

  #summary({ status, rowsPerSecond, lagBytes }: DemoFrame): string {
    if (status === null) return "connecting …";
    const watermark =
      status.watermarkMs === null ? "none yet" : new Date(status.watermarkMs).toISOString();
    return [
      `${Math.round(rowsPerSecond).toLocaleString("en")} rows/s`,
      `lag ${Math.max(0, lagBytes).toLocaleString("en")} bytes`,
      `watermark ${watermark}`,
      `visible to ${formatLsn(status.applied)}`,
      `saved to ${formatLsn(status.checkpoint)}`,
    ].join("  ");
  }
}

const HEADER = ["event_type", "time_window", "event_count", "total_amount"];

function table(rows: readonly (readonly string[])[]): string[] {
  const all = [HEADER, ...rows];
  const widths = HEADER.map((_, c) => Math.max(...all.map((row) => (row[c] ?? "").length)));
  const line = (row: readonly string[]): string =>
    row
      .map((cell, c) => (c < 2 ? cell.padEnd(widths[c] ?? 0) : cell.padStart(widths[c] ?? 0)))
      .join("  ");
  return [styleText("bold", line(HEADER)), ...rows.map(line)];
}
