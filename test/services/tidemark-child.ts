import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { eventually } from "./eventually.js";

const MAIN = fileURLToPath(new URL("../../dist/src/cli/main.js", import.meta.url));

/** A line of the log. */
export interface LogLine {
  readonly level: number;
  readonly msg: string;
  readonly [fact: string]: unknown;
}

/** How a process ended. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** The shipped command line in a process of its own. */
export interface TidemarkProcess {
  readonly pid: number;
  /** Everything on stderr so far. */
  readonly stderr: string;
  readonly ended: Promise<Ending>;
  isRunning(): boolean;
  /** The log so far; throws at a line that is not JSON. */
  log(): LogLine[];
  /** Resolves to the `nth` line with this message; rejects when the process ends before. */
  logged(msg: string, nth?: number, withinMs?: number): Promise<LogLine>;
  /** Sends a signal and waits for the end. */
  end(signal: NodeJS.Signals): Promise<Ending>;
  signal(signal: NodeJS.Signals): void;
  /** Greatest resident set so far, in bytes; null where the system has no /proc. */
  peakRss(): number | null;
}

/** Where and with what it runs. */
export interface TidemarkOptions {
  /** Nothing else of the environment but PATH and HOME is passed on. */
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
}

/** Starts `tidemark <args>`; whoever starts it ends it. */
export function startTidemark(
  args: readonly string[],
  { env = {}, cwd }: TidemarkOptions = {},
): TidemarkProcess {
  if (!existsSync(MAIN)) throw new Error("dist is missing: node .ci/prepare.mjs builds it");
  const { PATH = "", HOME = "/" } = process.env;
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd,
    env: { PATH, HOME, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  return watch(child);
}

function watch(child: ChildProcess): TidemarkProcess {
  let stdout = "";
  let stderr = "";
  let isRunning = true;
  child.stdout?.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const ended = new Promise<Ending>((resolve) => {
    child.once("exit", () => {
      isRunning = false;
    });
    child.once("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
  const log = (): LogLine[] =>
    stderr
      .slice(0, stderr.lastIndexOf("\n") + 1)
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("tidemark: "))
      .map((line) => JSON.parse(line) as LogLine);
  return {
    pid: child.pid as number,
    get stderr() {
      return stderr;
    },
    ended,
    isRunning: () => isRunning,
    log,
    logged: async (msg, nth = 1, withinMs = 20_000) => {
      const find = (): LogLine | undefined | "ended" =>
        log().filter((line) => line.msg === msg)[nth - 1] ?? (isRunning ? undefined : "ended");
      const what = `line ${nth} "${msg}" in the log`;
      const line = await eventually(what, find, { withinMs, explain: () => stderr });
      if (line === "ended") throw new Error(`the process ended before ${what}:\n${stderr}`);
      return line;
    },
    end: (signal) => {
      child.kill(signal);
      return ended;
    },
    signal: (signal) => void child.kill(signal),
    peakRss: () => {
      const file = `/proc/${child.pid}/status`;
      const kib = existsSync(file) ? /^VmHWM:\s+(\d+) kB/m.exec(readFileSync(file, "utf8")) : null;
      return kib === null ? null : Number(kib[1]) * 1024;
    },
  };
}
