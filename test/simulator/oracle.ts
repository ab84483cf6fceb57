import { MemoryResults, MemorySink } from "../../sinks/memory/memory-sink.js";
import type { Lsn } from "../../src/core/lsn.js";
import { Timestamp } from "../../src/core/timestamp.js";
import { compilePlan } from "../../src/pipeline/compile.js";
import { Engine } from "../../src/pipeline/engine.js";
import type { Plan } from "../../src/pipeline/plan.js";
import { batchesOf, sales } from "../fixtures/shop.js";
import type { LoggedTransaction, SimulatedPostgres } from "./simulated-postgres.js";

export const VIEW = "public.stats";
const MINUTE_MS = 60_000;

/** Rows and cents of a shop's minute. */
type Totals = Map<string, { rows: number; cents: number }>;

/**
 * What a view without retention has to hold after the transactions up to a position, counted
 * without any code of the product.
 */
export class Tally {
  readonly #postgres: SimulatedPostgres;
  #totals: Totals = new Map();
  #taken = 0;

  constructor(postgres: SimulatedPostgres) {
    this.#postgres = postgres;
  }

  /** What is wrong with the rows of `results` for position `lsn`; null when nothing is. */
  compare(results: MemoryResults, lsn: Lsn): string | null {
    this.#moveTo(lsn);
    const rows = [...(results.views.get(VIEW)?.rows.values() ?? [])];
    if (rows.length !== this.#totals.size) {
      return `${rows.length} rows instead of ${this.#totals.size} at ${lsn}`;
    }
    for (const [shop, minute, n, total] of rows) {
      const at = minute instanceof Timestamp ? minute.epochMs : Number.NaN;
      const wanted = this.#totals.get(`${shop} ${at}`);
      const cents = Math.round(Number(String(total)) * 100);
      if (wanted?.rows !== Number(n) || wanted.cents !== cents) {
        return `${shop} has ${n}, ${total} instead of ${wanted?.rows}, ${wanted?.cents} at ${lsn}`;
      }
    }
    return null;
  }

  #moveTo(lsn: Lsn): void {
    const { log, bornLsn } = this.#postgres;
    const last = log[this.#taken - 1];
    if (last !== undefined && last.endLsn > lsn) {
      this.#totals = new Map();
      this.#taken = 0;
    }
    for (; this.#taken < log.length; this.#taken++) {
      const transaction = log[this.#taken];
      if (transaction === undefined || transaction.endLsn > lsn) return;
      if (transaction.commitLsn < bornLsn) continue;
      for (const [shop, atMs, amount = "1.00"] of transaction.sales) {
        const key = `${shop} ${Math.floor(Number(atMs) / MINUTE_MS) * MINUTE_MS}`;
        const totals = this.#totals.get(key) ?? { rows: 0, cents: 0 };
        totals.rows++;
        totals.cents += Math.round(Number(amount) * 100);
        this.#totals.set(key, totals);
      }
    }
  }
}

/** An advance of the server's clock that the results have recorded. */
export interface IdleAdvance {
  readonly lsn: Lsn;
  readonly serverMs: number;
}

/**
 * The view of a run that nothing ever interrupted: each transaction by itself through a new engine,
 * with the idle advances where the results say they took place.
 */
export async function undisturbed(
  plan: Plan,
  log: readonly LoggedTransaction[],
  idles: readonly IdleAdvance[],
): Promise<MemoryResults> {
  const { sources, outputs, shapes } = compilePlan(plan, [sales]);
  const results = new MemoryResults();
  const sink = new MemorySink(results);
  await sink.open();
  await sink.prepare(shapes);
  await sink.claim(1, { systemId: "7", timeline: 1, lsn: 0n });
  const engine = new Engine(sources, outputs, { cursor: 0n, replayUntil: 0n, idleMs: null });
  const write = async (): Promise<void> => {
    const position = { systemId: "7", timeline: 1, lsn: engine.cursor };
    const { watermarkMs } = engine;
    const written = engine.collect();
    await sink.write({
      ...{ epoch: 1, position, watermarkMs, idleMs: null, outputs: written, mustBeDurable: true },
    });
  };
  let next = 0;
  for (const transaction of [...log, null]) {
    for (; next < idles.length; next++) {
      const idle = idles[next];
      if (idle === undefined || (transaction !== null && idle.lsn >= transaction.endLsn)) break;
      engine.advance(idle.lsn);
      engine.onIdle(idle.serverMs);
      await write();
    }
    if (transaction === null) break;
    for (const batch of batchesOf(transaction.messages)) {
      for (const slice of batch.transactions) engine.apply(batch, slice);
    }
    await write();
  }
  return results;
}
