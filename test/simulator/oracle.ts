import { MemoryResults, MemorySink } from "../../sinks/memory/memory-sink.js";
import type { Lsn } from "../../src/core/lsn.js";
import { Timestamp } from "../../src/core/timestamp.js";
import { compilePlan } from "../../src/pipeline/compile.js";
import { Engine } from "../../src/pipeline/engine.js";
import type { Plan } from "../../src/pipeline/plan.js";
import { batchesOf, sales } from "../fixtures/shop.js";
import { LOG, VIEW } from "./simulated-plan.js";
import type { SimulatedPostgres } from "./simulated-postgres.js";

const SYSTEM = { systemId: "7", timeline: 1 };
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
 * The results of a run that nothing ever interrupted: each transaction by itself through an engine
 * of its own, with the idle advances where the results say they took place. It goes along with the
 * simulated run, and begins anew when that falls back.
 */
export class Undisturbed {
  readonly #plan: Plan;
  readonly #postgres: SimulatedPostgres;
  #run: { readonly engine: Engine; readonly sink: MemorySink; readonly results: MemoryResults };
  #idles: readonly IdleAdvance[] = [];
  #taken = 0;
  #idlesTaken = 0;

  constructor(plan: Plan, postgres: SimulatedPostgres) {
    this.#plan = plan;
    this.#postgres = postgres;
    this.#run = this.#begin();
  }

  /** What is wrong with results that were written for `lsn`; null when nothing is. */
  async compare(
    results: MemoryResults,
    lsn: Lsn,
    idles: readonly IdleAdvance[],
  ): Promise<string | null> {
    await this.#moveTo(lsn, idles);
    const { watermarkMs } = this.#run.engine;
    if (results.watermarkMs !== watermarkMs) {
      return `the watermark is ${results.watermarkMs} instead of ${watermarkMs} at ${lsn}`;
    }
    for (const output of [VIEW, LOG]) {
      const [wanted, actual] = [this.#run.results.print(output), results.print(output)];
      if (wanted !== actual) return `${output} is\n${actual}\ninstead of\n${wanted}\nat ${lsn}`;
    }
    return null;
  }

  #begin(): { engine: Engine; sink: MemorySink; results: MemoryResults } {
    const { sources, outputs, shapes } = compilePlan(this.#plan, [sales]);
    const results = new MemoryResults();
    const sink = new MemorySink(results);
    void sink.open();
    void sink.prepare(shapes);
    void sink.claim(1, { ...SYSTEM, lsn: 0n });
    const engine = new Engine(sources, outputs, { cursor: 0n, replayUntil: 0n, idleMs: null });
    return { engine, sink, results };
  }

  async #moveTo(lsn: Lsn, idles: readonly IdleAdvance[]): Promise<void> {
    const isSame = this.#idles.every((idle, i) => idle === idles[i]);
    if (lsn < this.#run.engine.cursor || !isSame) {
      this.#run = this.#begin();
      this.#taken = 0;
      this.#idlesTaken = 0;
    }
    this.#idles = [...idles];
    const { log, bornLsn } = this.#postgres;
    for (; ; this.#taken++) {
      const transaction = log[this.#taken];
      const endLsn = transaction?.endLsn ?? lsn + 1n;
      await this.#idleBefore(endLsn);
      if (transaction === undefined || endLsn > lsn) break;
      if (transaction.commitLsn < bornLsn) continue;
      for (const batch of batchesOf(transaction.messages)) {
        for (const slice of batch.transactions) this.#run.engine.apply(batch, slice);
      }
      await this.#write();
    }
    this.#run.engine.advance(lsn);
  }

  async #idleBefore(endLsn: Lsn): Promise<void> {
    for (; ; this.#idlesTaken++) {
      const idle = this.#idles[this.#idlesTaken];
      if (idle === undefined || idle.lsn >= endLsn) return;
      this.#run.engine.advance(idle.lsn);
      this.#run.engine.onIdle(idle.serverMs);
      await this.#write();
    }
  }

  async #write(): Promise<void> {
    const { engine, sink } = this.#run;
    const position = { ...SYSTEM, lsn: engine.cursor };
    const { watermarkMs } = engine;
    const outputs = engine.collect();
    await sink.write({
      epoch: 1,
      position,
      watermarkMs,
      idleMs: null,
      outputs,
      mustBeDurable: true,
    });
  }
}
