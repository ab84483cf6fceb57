// Shows that the simulator sees what it is for: each mutation of the protocol breaks a promise in
// some seed, and without any none does.
import { execFile } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { MUTATIONS, type Mutation } from "./mutations.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const PARTS = ["src", "decoders", "sinks", "test/simulator", "test/fixtures", "test/torture"];
const SEEDS = 3_000;
/** The worlds without a mutation are those of the fuzz test; a few show that the copy runs. */
const CONTROL_SEEDS = 300;

/** A copy of the sources, changed, that runs by itself. */
function mutated(mutation: Mutation | null): string {
  const folder = mkdtempSync(join(tmpdir(), "tidemark-mutation-"));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  for (const part of [...PARTS, "package.json", "tsconfig.json"]) {
    cpSync(join(ROOT, part), join(folder, part), { recursive: true });
  }
  symlinkSync(join(ROOT, "node_modules"), join(folder, "node_modules"));
  if (mutation === null) return folder;
  const file = join(folder, mutation.file);
  let text = readFileSync(file, "utf8");
  for (const [from, to] of mutation.edits) {
    expect(text.split(from), `${mutation.file} has once: ${from}`).toHaveLength(2);
    text = text.replace(from, () => to);
  }
  writeFileSync(file, text);
  return folder;
}

/** Exit code and verdict of the simulator there. */
function play(folder: string, seeds: number): Promise<{ code: number; verdict: string }> {
  const args = ["--import", "tsx", "test/simulator/main.ts", "--seed", "1"];
  const options = { cwd: folder, maxBuffer: 2 ** 26 };
  return new Promise((resolve) => {
    execFile(process.execPath, [...args, "--seeds", String(seeds)], options, (error, stdout) => {
      resolve({ code: error === null ? 0 : Number(error.code), verdict: stdout });
    });
  });
}

test("without a mutation no promise is broken", async () => {
  const { code, verdict } = await play(mutated(null), CONTROL_SEEDS);
  expect(code, verdict).toBe(0);
}, 120_000);

test.each(MUTATIONS.map((mutation) => [mutation.name, mutation] as const))(
  "is seen: %s",
  async (_, mutation) => {
    const { code, verdict } = await play(mutated(mutation), SEEDS);
    expect(code, verdict).toBe(1);
  },
  300_000,
);
