// Plays worlds with the protocol broken on purpose, one mutation after the other:
// `npm run mutations -- [--seeds n] [--seed first] [--name part]` looks for the first seed that
// notices each; with `--known` the one that is written down is played before. A line of JSON each;
// ends with 1 when one was missed.
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { MUTATIONS, type Mutation } from "./mutations.js";
import type { Verdict } from "./simulate.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const FIXTURES = ["test/fixtures/shop.ts", "test/fixtures/pgoutput-messages.ts"];
const PARTS = ["src", "decoders", "sinks", "test/simulator", ...FIXTURES, "test/torture/random.ts"];
/** An error that a mutation leaves to nobody is part of what it does. */
process.on("unhandledRejection", () => {});

type Simulate = (seed: number) => Promise<Verdict>;

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "3000" },
    seed: { type: "string", default: "1" },
    known: { type: "boolean" },
    name: { type: "string", default: "" },
  },
});
const folder = mkdtempSync(join(tmpdir(), "tidemark-mutations-"));
try {
  const chosen = MUTATIONS.filter(({ name }) => name.includes(values.name));
  for (const [index, mutation] of chosen.entries()) {
    const simulate = await simulatorOf(mutation, join(folder, String(index)));
    const begun = performance.now();
    const found = await firstBroken(simulate, mutation);
    const seconds = Math.round((performance.now() - begun) / 100) / 10;
    process.stdout.write(`${JSON.stringify({ name: mutation.name, ...found, seconds })}\n`);
    if (found.seed === null) process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** The simulator of a copy of the sources that has the mutation. */
async function simulatorOf(mutation: Mutation, copy: string): Promise<Simulate> {
  for (const part of [...PARTS, "package.json", "tsconfig.json"]) {
    cpSync(join(ROOT, part), join(copy, part), { recursive: true });
  }
  symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
  for (const [from, to] of mutation.edits) {
    const file = join(copy, mutation.file);
    const text = readFileSync(file, "utf8");
    const count = text.split(from).length - 1;
    if (count !== 1) throw new Error(`${mutation.file} has ${count} times: ${from}`);
    writeFileSync(
      file,
      text.replace(from, () => to),
    );
  }
  const module = pathToFileURL(join(copy, "test/simulator/simulate.ts")).href;
  return ((await import(module)) as { simulate: Simulate }).simulate;
}

async function firstBroken(
  simulate: Simulate,
  { seed: known }: Mutation,
): Promise<{ seed: number | null; violation: string | null }> {
  const first = Number(values.seed);
  const seeds = Array.from({ length: Number(values.seeds) }, (_, i) => first + i);
  for (const seed of values.known === true ? [known, ...seeds] : seeds) {
    const [violation] = (await simulate(seed)).violations;
    if (violation !== undefined) return { seed, violation: violation.slice(0, 120) };
  }
  return { seed: null, violation: null };
}
