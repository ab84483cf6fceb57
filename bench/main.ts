// npm run bench -- <name> [--rows N] [--keys N] [--runs N] [--seconds N] [--json FILE]
//                         [--only A,B] [--profile DIR] [--spare-core] [--no-flow]
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { checkpoint } from "./checkpoint.js";
import { decode } from "./decode.js";
import { latency } from "./latency.js";
import { memory } from "./memory.js";
import { type BenchOptions, readOptions } from "./options.js";

import { pattern } from "./pattern.js";
import { replay } from "./replay.js";
import { type BenchResult, printResult, progress, WrongResult } from "./report.js";
import { sourceImpact } from "./source-impact.js";
import { throughput } from "./throughput.js";

const benchmarks: Readonly<Record<string, (options: BenchOptions) => Promise<BenchResult>>> = {
  throughput,
  latency,
  "source-impact": sourceImpact,
  memory,
  replay,
  decode,
  pattern,
  // Loaded when it is run: it reads the built files.
  expression: async (options) => (await import("./expression.js")).expression(options),
  checkpoint,
};

async function main(): Promise<void> {
  const options = readOptions(process.argv.slice(2));
  const run = benchmarks[options.name];
  if (run === undefined) {
    throw new Error(
      `Name a benchmark: npm run bench -- <${Object.keys(benchmarks).join(" | ")}>; ` +
        "bench/README.md describes them.",
    );
  }
  const result = await run(options);
  console.log(`# ${options.name}\n`);
  printResult(result);
  if (options.jsonFile === null) return;
  const file = resolve(options.jsonFile);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `${JSON.stringify({ name: options.name, ...result }, null, 2)}\n`);
  progress(`Wrote ${file}.`);
}

for (const signal of ["SIGINT", "SIGTERM"] as const) {
  process.once(signal, () => process.exit(130)); // the exit handlers and watchdogs clean up
}
main().catch((error: unknown) => {
  if (error instanceof WrongResult) console.error(`WRONG RESULT: ${error.message}`);
  else console.error(error instanceof Error ? (error.stack ?? error.message) : error);
  process.exitCode = 1;
});
