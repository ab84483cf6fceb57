// Plays seeds and prints what came of them: `npm run simulate -- [--seeds n] [--seed first]`.
// Ends with 1 at the first seed that breaks a promise, after playing it again with its trace.
import { parseArgs } from "node:util";
import { simulate } from "./simulate.js";

const { values } = parseArgs({ options: { seeds: { type: "string" }, seed: { type: "string" } } });
const count = Number(values.seeds ?? 1_000);
const first = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
const sums = { seeds: 0, steps: 0, faults: 0, transactions: 0 };
const begun = performance.now();
for (let seed = first; seed < first + count; seed++) {
  const verdict = await simulate(seed);
  sums.seeds++;
  sums.steps += verdict.steps;
  sums.faults += verdict.faults;
  sums.transactions += verdict.transactions;
  if (verdict.violations.length === 0) continue;
  const { trace } = await simulate(seed, { isTraced: true });
  process.stderr.write(`${trace.join("\n")}\n`);
  process.stdout.write(`${JSON.stringify({ seed, violations: verdict.violations })}\n`);
  process.exit(1);
}
const seconds = (performance.now() - begun) / 1000;
process.stdout.write(`${JSON.stringify({ first, ...sums, seconds, violations: [] })}\n`);
