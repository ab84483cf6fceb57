import { cpus, release, totalmem, type } from "node:os";
import type { Sql } from "./database.js";

/** Where and when figures were measured; they mean nothing without it. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  readonly node: string;
  readonly postgres: string;
  readonly date: string;
}

/** What a benchmark hands back to be printed and saved. */
export interface BenchResult {
  /** What was measured and how, a sentence a line. */
  readonly method: readonly string[];
  readonly machine: Machine;
  readonly tables: readonly Table[];
  /** Everything measured, for --json. */
  readonly figures: unknown;
}

export interface Table {
  readonly title: string;
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** A figure that is not merely slow but wrong; the benchmark ends with exit code 1. */
export class WrongResult extends Error {}

export async function describeMachine(sql: Sql): Promise<Machine> {
  const [row] = await sql("select current_setting('server_version') as version");
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: cpus().length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()}`,
    node: process.versions.node,
    postgres: String(row?.["version"]),
    date: new Date().toISOString(),
  };
}

/** Tells on stderr what is going on. */
export function progress(sentence: string): void {
  process.stderr.write(`${sentence}\n`);
}

export function printResult({ method, machine, tables }: BenchResult): void {
  for (const sentence of method) console.log(sentence);
  const { cpu, cores, memoryGiB, system, node, postgres, date } = machine;
  console.log(
    `Machine: ${cpu}, ${cores} cores, ${memoryGiB} GiB, ${system}, Node ${node}, ` +
      `PostgreSQL ${postgres}, ${date}`,
  );
  for (const table of tables) console.log(`\n${layOut(table)}`);
}

/** A Markdown table whose columns stand below each other; all but the first flush right. */
function layOut({ title, head, rows }: Table): string {
  const widths = head.map((name, column) =>
    Math.max(name.length, ...rows.map((row) => (row[column] ?? "").length)),
  );
  const line = (cells: readonly string[]): string =>
    `| ${cells
      .map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0)))
      .join(" | ")} |`;
  const rule = widths.map((width, i) =>
    i === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`,
  );
  return [title, "", line(head), line(rule), ...rows.map(line)].join("\n");
}

/** `1234567` as `1,234,567`. */
export function whole(value: number): string {
  return Number.isFinite(value) ? Math.round(value).toLocaleString("en-US") : "-";
}

/** With so many digits behind the point. */
export function fixed(value: number, digits = 2): string {
  return Number.isFinite(value) ? value.toFixed(digits) : "-";
}
