import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync, readFileSync } from "node:fs";
import { rm } from "node:fs/promises";
import { createServer } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { TidemarkError } from "../../core/errors.js";
import { descendantsOf, isAlive } from "./process-table.js";
import { startWatchdog, type WatchdogOptions } from "./watchdog.js";

/** The account a server runs under. */
export interface UnixAccount {
  readonly uid: number;
  readonly gid: number;
}

/** How to start a server process. */
export interface ServerCommand {
  /** For messages: "PostgreSQL", "Redis". */
  readonly title: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** Both outputs are appended to this file. */
  readonly logFile: string;
  /** The account of this process when absent. */
  readonly account?: UnixAccount | undefined;
  /** Resolves to true as soon as the server answers; rejections end the start. */
  readonly isReady: () => Promise<boolean>;
}

/** One server process at a time, stopped also when this process crashes or is killed. */
export interface Supervisor {
  isRunning(): boolean;
  /** Starts the server and waits till it is ready, or throws SERVICE_START_FAILED. */
  launch(command: ServerCommand): Promise<void>;
  /** Sends a signal and waits for the end; after `timeoutMs` the server is killed. */
  stop(signal: NodeJS.Signals, timeoutMs?: number): Promise<void>;
  /** Kills the server and the processes it made with SIGKILL, and waits till all are gone. */
  kill(): Promise<void>;
  /** Kills what still runs, removes the temporary folder and ends the watchdog. */
  close(): Promise<void>;
}

const readyWithinMs = 60_000;

/** Makes a supervisor; nothing is started yet. */
export function supervise(options: WatchdogOptions): Supervisor {
  const watchdog = startWatchdog(options);
  let child: ChildProcess | undefined;
  let ended: Promise<void> = Promise.resolve();

  async function kill(): Promise<void> {
    const pid = child?.pid;
    if (child === undefined || pid === undefined) return;
    // Until it has ended, the server holds the event loop, or the program would end here.
    child.ref();
    const children = descendantsOf(pid);
    for (const victim of [pid, ...children]) sendSignal(victim, "SIGKILL");
    await ended;
    while (children.some(isAlive)) await pause(10);
  }

  return {
    isRunning: () => child !== undefined,
    launch: async (command) => {
      if (child !== undefined) return;
      const started = spawnServer(command);
      child = started;
      watchdog.guard(started.pid);
      ended = new Promise((resolve) => {
        const onEnd = (): void => {
          if (child === started) child = undefined;
          watchdog.guard(undefined);
          resolve();
        };
        started.once("exit", onEnd);
        started.once("error", onEnd);
      });
      try {
        await untilReady(command, () => child !== started);
      } catch (error) {
        await kill();
        throw error;
      }
    },
    stop: async (signal, timeoutMs = 60_000) => {
      const stopping = child;
      if (stopping === undefined) return;
      stopping.ref();
      stopping.kill(signal);
      const timer = setTimeout(() => void kill(), timeoutMs);
      await ended;
      clearTimeout(timer);
    },
    kill,
    close: async () => {
      await kill();
      if (options.temporaryDir !== undefined) {
        await rm(options.temporaryDir, { recursive: true, force: true, maxRetries: 20 });
      }
      watchdog.release();
    },
  };
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal);
  } catch {
    // Already gone, which is what the caller wants.
  }
}

// Detached, so that Ctrl-C in the terminal reaches only us: the server must outlive the last
// transaction that we still finish.
function spawnServer({ command, args, cwd, logFile, account }: ServerCommand): ChildProcess {
  const log = openSync(logFile, "a", 0o600);
  const child = spawn(command, args, {
    cwd,
    detached: true,
    stdio: ["ignore", log, log],
    ...account,
  });
  closeSync(log);
  child.on("error", () => {});
  child.unref();
  return child;
}

async function untilReady(command: ServerCommand, hasEnded: () => boolean): Promise<void> {
  const deadline = performance.now() + readyWithinMs;
  for (;;) {
    if (hasEnded()) throw startFailed(command, "ended at once");
    if (await command.isReady()) return;
    if (performance.now() > deadline) throw startFailed(command, "does not answer");
    await pause(25);
  }
}

function startFailed({ title, logFile }: ServerCommand, what: string): TidemarkError {
  const log = logTail(logFile);
  return new TidemarkError(
    "SERVICE_START_FAILED",
    `The ${title} server ${what}. Its log ${logFile} ends with:\n${log}`,
    { detail: { log, logFile } },
  );
}

function logTail(logFile: string): string {
  try {
    return readFileSync(logFile, "utf8").trimEnd().split("\n").slice(-15).join("\n");
  } catch {
    return "(no log)";
  }
}

/** A TCP port of 127.0.0.1 that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.once("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const address = probe.address();
      const port = address !== null && typeof address === "object" ? address.port : 0;
      probe.close(() => resolve(port));
    });
  });
}
