import { type ChildProcess, spawn } from "node:child_process";
import type { Writable } from "node:stream";

/** Stops a server and removes its temporary folder when this process ends in any way. */
export interface Watchdog {
  /** Names the process to stop; `undefined` when the server has ended. */
  guard(pid: number | undefined): void;
  /** Ends the watchdog without touching the server or the folder. */
  release(): void;
}

/** What a watchdog does once the process that made it is gone. */
export interface WatchdogOptions {
  /** Sent in order, five seconds apart, until the server is gone. */
  readonly signals: readonly NodeJS.Signals[];
  /** Removed after the server is gone; a folder that is to persist is not named here. */
  readonly temporaryDir?: string | undefined;
}

// A pipe closes however its owner ends, SIGKILL included; exit handlers would miss that case, so
// there are none. The program is text because it must run the same from sources and from dist.
const program = `
const { readFileSync, rmSync } = require("node:fs");
const { signals, temporaryDir } = JSON.parse(process.argv[1]);
const pauseMs = 50;
const signalPauses = 5000 / pauseMs;
let pid = 0;
let rest = "";
for (const name of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(name, () => {});
function send(signal) {
  try {
    return pid > 0 && process.kill(pid, signal);
  } catch {
    return false;
  }
}
// In a container nobody may reap the server, which then stays as a zombie: proc(5), third field.
function isZombie() {
  try {
    return /\\) Z/.test(readFileSync("/proc/" + pid + "/stat", "utf8"));
  } catch {
    return false;
  }
}
function finish(pauses) {
  if (send(0) && !isZombie()) {
    if (pauses % signalPauses === 0) send(signals[pauses / signalPauses] ?? "SIGKILL");
    setTimeout(finish, pauseMs, pauses + 1);
    return;
  }
  if (temporaryDir) rmSync(temporaryDir, { recursive: true, force: true, maxRetries: 20 });
  process.exit();
}
process.stdin.setEncoding("utf8");
process.stdin.on("data", (text) => {
  const lines = (rest + text).split("\\n");
  rest = lines.pop();
  for (const line of lines) {
    if (line === "release") process.exit();
    pid = Number(line);
  }
});
process.stdin.on("error", () => {});
process.stdin.on("close", () => finish(0));
`;

/** Starts a watchdog. It holds neither the event loop nor the terminal's signals. */
export function startWatchdog(options: WatchdogOptions): Watchdog {
  const child: ChildProcess = spawn(process.execPath, ["-e", program, JSON.stringify(options)], {
    cwd: "/",
    detached: true,
    env: {},
    stdio: ["pipe", "ignore", "ignore"],
  });
  const stdin = child.stdin as Writable & { unref?: () => void };
  child.on("error", () => {});
  stdin.on("error", () => {});
  child.unref();
  stdin.unref?.();
  return {
    guard: (pid) => {
      stdin.write(`${pid ?? 0}\n`);
    },
    release: () => {
      stdin.end("release\n");
    },
  };
}
