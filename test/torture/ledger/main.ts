// The ledger by hand: `npm run torture -- --rounds 500 --seed 1 --store postgres`. Prints JSON and
// ends with 1 when a promise was broken.
import { parseArgs } from "node:util";
import { runTorture } from "./run-torture.js";
import { STORES } from "./store-site.js";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "100" },
    seed: { type: "string" },
    store: { type: "string", default: "postgres" },
  },
});
const store = STORES.find((name) => name === values.store);
const rounds = Number(values.rounds);
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31));
if (store === undefined || !Number.isInteger(rounds) || !Number.isInteger(seed)) {
  process.stderr.write(`torture takes --rounds n, --seed n and --store ${STORES.join("|")}.\n`);
  process.exit(2);
}
const onProgress = (line: string): void => void process.stderr.write(`${line}\n`);
onProgress(`seed ${seed}, ${rounds} rounds, checkpoints in ${store}`);
const stop = new AbortController();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.once(signal, () => stop.abort());
const verdict = await runTorture({ rounds, seed, store, signal: stop.signal, onProgress });
process.stdout.write(`${JSON.stringify(verdict, null, 2)}\n`);
process.exitCode = verdict.violations.length === 0 ? 0 : 1;
