import { spawn, spawnSync } from "node:child_process";
import { accessSync, constants, readdirSync, readFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import type { BenchDatabase } from "./database.js";
import { dropSlot } from "./live-pipeline.js";
import type { ReaderReport } from "./processes/order.js";

/** PostgreSQL's own reader, as far as one is installed. */
export interface PgRecvlogical {
  readonly path: string;
  /** As it says itself. */
  readonly version: string;
}

/** Looks in PATH, then where Debian keeps its versions, the newest first. */
export function findPgRecvlogical(): PgRecvlogical | null {
  const debian = "/usr/lib/postgresql";
  const folders = [
    ...(process.env["PATH"] ?? "").split(delimiter),
    ...namesIn(debian)
      .sort((a, b) => Number(b) - Number(a))
      .map((version) => join(debian, version, "bin")),
  ];
  const path = folders.map((folder) => join(folder, "pg_recvlogical")).find(isExecutable);
  if (path === undefined) return null;
  const { stdout } = spawnSync(path, ["--version"], { encoding: "utf8" });
  return { path, version: stdout.trim() };
}

export interface RecvlogicalOrder {
  readonly url: string;
  readonly slotName: string;
  readonly publication: string;
  readonly endLsn: string;
}

/**
 * Reads the slot up to `endLsn` into /dev/null. A shell starts it, because the shell's `times`
 * tells the CPU time of a process that has ended; wall and CPU time include the connecting.
 */
export async function runPgRecvlogical(
  { path }: PgRecvlogical,
  order: RecvlogicalOrder,
): Promise<Omit<ReaderReport, "rows" | "bytes">> {
  const args = [
    ...["--dbname", order.url, "--slot", order.slotName, "--start", "--no-loop"],
    ...["--file", "/dev/null", "--endpos", order.endLsn],
    ...["--option", "proto_version=1", "--option", `publication_names=${order.publication}`],
  ];
  const script = '"$@" & echo "pid $!"; wait $!; code=$?; times; exit $code';
  const beganMs = performance.now();
  const shell = spawn("/bin/sh", ["-c", script, "sh", path, ...args], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  let printed = "";
  let peakRssMiB = 0;
  shell.stdout.setEncoding("utf8").on("data", (text: string) => {
    printed += text;
  });
  const watch = setInterval(() => {
    peakRssMiB = Math.max(peakRssMiB, peakRssOf(/^pid (\d+)/.exec(printed)?.[1]));
  }, 50);
  const code = await new Promise<number | null>((resolve) => shell.once("close", resolve));
  const wallMs = performance.now() - beganMs;
  clearInterval(watch);
  if (code !== 0) throw new Error(`${path} ended with code ${code}.`);
  const [userMs, systemMs] = childTimes(printed);
  return { wallMs, userMs, systemMs, peakRssMiB, endLsn: order.endLsn };
}

/** `times` prints `1m2.345s 0m0.1s`, first for the shell, then for its children. */
function childTimes(printed: string): [userMs: number, systemMs: number] {
  const [, , user, system] = [...printed.matchAll(/(\d+)m([\d.]+)s/g)].map(
    ([, minutes, seconds]) => (Number(minutes) * 60 + Number(seconds)) * 1000,
  );
  return [user ?? Number.NaN, system ?? Number.NaN];
}

function peakRssOf(pid: string | undefined): number {
  if (pid === undefined) return 0;
  try {
    const status = readFileSync(`/proc/${pid}/status`, "utf8");
    return Number(/VmHWM:\s*(\d+) kB/.exec(status)?.[1] ?? 0) / 1024;
  } catch {
    return 0; // it has just ended, or this is no Linux
  }
}

function namesIn(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** A pg_recvlogical that follows a table. */
export interface FollowingReader {
  readonly pid: number;
  /** Ends it and drops slot and publication. */
  finish(): Promise<void>;
}

/** Follows a table from now on, acknowledging every second. Resolves once it reads. */
export async function followWithRecvlogical(
  { path }: PgRecvlogical,
  { url, sql }: BenchDatabase,
  table: string,
): Promise<FollowingReader> {
  const name = "bench_reader";
  await sql(`create publication ${name} for table ${table}`);
  await sql("select pg_create_logical_replication_slot($1, 'pgoutput')", [name]);
  const reader = spawn(
    path,
    [
      ...["--dbname", url, "--slot", name, "--start", "--file", "/dev/null"],
      ...["--status-interval", "1", "--fsync-interval", "1"],
      ...["--option", "proto_version=1", "--option", `publication_names=${name}`],
    ],
    { stdio: ["ignore", "ignore", "inherit"] },
  );
  const isActive = async (): Promise<boolean> => {
    const [row] = await sql("select active from pg_replication_slots where slot_name = $1", [name]);
    return row?.["active"] === true;
  };
  while (!(await isActive())) await new Promise((next) => setTimeout(next, 20));
  return {
    pid: reader.pid ?? 0,
    async finish() {
      const ended = new Promise((resolve) => reader.once("exit", resolve));
      reader.kill("SIGINT");
      await ended;
      await dropSlot(sql, name);
      await sql(`drop publication ${name}`);
    },
  };
}
