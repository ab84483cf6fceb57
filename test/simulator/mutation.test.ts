// Shows that the simulator sees what it is for: each mutation of the protocol breaks a promise in
// the world of its seed, in which the protocol as it is breaks none. A change that moves a seed
// elsewhere is searched for; `npm run mutations` then has the seed to write down.
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { MUTATIONS } from "./mutations.js";
import { simulate } from "./simulate.js";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/** What the mutated simulators say, a line each, and why there is none. */
function play(): Promise<{ stdout: string; stderr: string }> {
  const args = ["--import", "tsx", "test/simulator/mutate.ts", "--known"];
  return new Promise((resolve) => {
    execFile(process.execPath, args, { cwd: ROOT }, (_, stdout, stderr) => {
      resolve({ stdout, stderr });
    });
  });
}

test("each mutation is seen in the world of its seed", async () => {
  const { stdout, stderr } = await play();
  const lines = stdout
    .trim()
    .split("\n")
    .filter((line) => line !== "");
  const missed = lines.filter((line) => JSON.parse(line).seed === null);
  expect(missed).toEqual([]);
  expect(lines, stderr).toHaveLength(MUTATIONS.length);
}, 300_000);

test("without a mutation no promise is broken there", async () => {
  for (const { seed } of MUTATIONS) {
    expect((await simulate(seed)).violations, `seed ${seed}`).toEqual([]);
  }
}, 60_000);
