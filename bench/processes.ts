import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { ORDER_VARIABLE } from "./processes/order.js";
import { progress } from "./report.js";

// Everything measured runs in a process of its own: plain `node` on what the project's compiler
// makes of the sources, with the options that the package is built with and without source maps.
// It is compiled for each run into a folder of its own, so that nobody's edits fall into a run.

const root = fileURLToPath(new URL("..", import.meta.url));
const compiledDir = join(root, ".tidemark", `bench-${process.pid}`);
const running = new Set<ChildProcess>();
let isCompiled = false;

process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
  rmSync(compiledDir, { recursive: true, force: true });
});

/** A process that was started for a benchmark. */
export interface BenchProcess {
  /** The next line it prints, parsed. Rejects when it ends without one. */
  next<Answer>(): Promise<Answer>;
  /** Gives it the sign to end. */
  finish(): void;
  /** Resolves when it has ended. Rejects unless it ended well. */
  readonly ended: Promise<void>;
  readonly pid: number;
  kill(): Promise<void>;
}

export interface ProcessOptions {
  /** A file of bench/processes, without its ending. */
  readonly script: string;
  readonly order: unknown;
  /** Flags for node. */
  readonly nodeFlags?: readonly string[];
}

export function startProcess({ script, order, nodeFlags = [] }: ProcessOptions): BenchProcess {
  compile();
  const file = join(compiledDir, "bench", "processes", `${script}.js`);
  const child = spawn(process.execPath, [...nodeFlags, file], {
    env: { ...process.env, [ORDER_VARIABLE]: JSON.stringify(order) },
    stdio: ["pipe", "pipe", "inherit"],
  });
  running.add(child);
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const exited = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(error.message));
    child.once("close", (code, signal) => resolve(code === 0 ? "" : `${signal ?? `code ${code}`}`));
  }).finally(() => running.delete(child));
  const ended = exited.then((problem) => {
    if (problem !== "") throw new Error(`The process "${script}" ended with ${problem}.`);
  });
  ended.catch(() => {}); // whoever waits for its answer learns of it
  return {
    async next<Answer>(): Promise<Answer> {
      const line = await lines.next();
      if (line.done === true) {
        await ended;
        throw new Error(`The process "${script}" ended without an answer.`);
      }
      return JSON.parse(line.value) as Answer;
    },
    finish: () => void child.stdin.end("finish\n"),
    ended,
    pid: child.pid ?? 0,
    async kill() {
      child.kill("SIGKILL");
      await exited;
    },
  };
}

/** Starts a process, takes its one answer and waits for its end. */
export async function runProcess<Answer>(options: ProcessOptions): Promise<Answer> {
  const started = startProcess(options);
  const answer = await started.next<Answer>();
  await started.ended;
  return answer;
}

function compile(): void {
  if (isCompiled) return;
  progress("Compiling ...");
  const compiler = join(root, "node_modules", "typescript", "bin", "tsc");
  const { status } = spawnSync(
    process.execPath,
    [compiler, "-p", join(root, "bench", "tsconfig.json"), "--outDir", compiledDir],
    { stdio: ["ignore", 2, 2] },
  );
  if (status !== 0) throw new Error("The sources do not compile; the messages are above.");
  isCompiled = true;
}
