import { PerformanceObserver } from "node:perf_hooks";
import type { CheckpointStore } from "../../src/core/checkpoint-store.js";
import type { Clock } from "../../src/core/clock.js";
import type { OutputBatch } from "../../src/core/output.js";
import type { Sink, SinkCommit } from "../../src/core/sink.js";
import { systemClock } from "../../src/source/system-clock.js";
import { busyMsSince, now } from "./busy-time.js";
import type { GeneratedSource } from "./generated-source.js";
import type { CheckpointFigures, Counted, Stretch } from "./order.js";

/** Later than any benchmark lasts. */
const NEVER_MS = 2 ** 40;
/** A stretch without a checkpoint is watched for at least so long. */
const MIN_CALM_MS = 1000;

/**
 * Stands at the ends of a pipeline (its sink, its checkpoint store, its clock, its interval), has
 * it take a checkpoint when told, and notes when what happens. Nothing between is replaced.
 */
export class CheckpointProbe {
  /** Checkpoints saved. */
  saved = 0;
  /** What the newest of them holds. */
  savedRows: Counted = { rows: 0, cents: 0 };
  /** What the first write to empty results held. */
  written: Counted | null = null;
  /** When the store was asked for its blocks, by `performance.now()`, and how long it took. */
  loadBeganMs = 0;
  loadMs = 0;
  readonly #source: GeneratedSource;
  readonly #intervalMs: number | null;
  readonly #areResultsEmpty: boolean;
  #isWanted = false;
  #barrier: { readonly lsn: bigint; readonly atMs: number; readonly rows: Counted } | null = null;
  #settledLsn = 0n;
  #noted = { writtenOutMs: 0, savedMs: 0, settledMs: 0, blocks: 0, bytes: 0 };
  #parts = { begin: 0, step: 0, save: 0 };
  #gcMs = 0;

  constructor(
    source: GeneratedSource,
    options: { readonly intervalMs: number | null; readonly areResultsEmpty: boolean },
  ) {
    this.#source = source;
    this.#intervalMs = options.intervalMs;
    this.#areResultsEmpty = options.areResultsEmpty;
    source.onReport = (flush) => this.#onReport(flush);
    new PerformanceObserver((list) => {
      for (const { duration } of list.getEntries()) this.#gcMs = Math.max(this.#gcMs, duration);
    }).observe({ entryTypes: ["gc"] });
  }

  /** What the pipeline takes for its checkpoint interval; it asks again and again. */
  get intervalMs(): number {
    return this.#isWanted ? 0 : (this.#intervalMs ?? NEVER_MS);
  }

  /** Has the next commit begin a checkpoint; resolves once that is settled. */
  async take(calmMs: number): Promise<CheckpointFigures> {
    const calm = await this.#watch(Math.max(MIN_CALM_MS, calmMs));
    this.#parts = { begin: 0, step: 0, save: 0 };
    this.#gcMs = 0;
    this.#barrier = null;
    this.#isWanted = true;
    await this.#source.until(() => this.#barrier !== null && this.#settledLsn >= this.#barrier.lsn);
    const stretch = this.#source.takeStretch();
    await new Promise((resolve) => setTimeout(resolve, 10)); // V8's reports come a turn later
    return { ...this.#noted, stretch, calm, parts: this.#parts, gcMs: this.#gcMs };
  }

  async #watch(ms: number): Promise<Stretch> {
    this.#source.takeStretch();
    const endMs = performance.now() + ms;
    await this.#source.until(() => performance.now() >= endMs);
    return this.#source.takeStretch();
  }

  sink(): Sink {
    return {
      open: async () => null,
      prepare: async (outputs) => (this.#areResultsEmpty ? outputs.map(({ name }) => name) : []),
      claim: async (epoch, position) => ({ position, epoch, idleMs: null }),
      stage: async () => {},
      write: async (commit) => this.#onWrite(commit),
      reset: async () => {},
      close: async () => {},
    };
  }

  /** The store, with its loads and saves timed. */
  around(store: CheckpointStore): CheckpointStore {
    const load = store.load.bind(store);
    const save = store.save.bind(store);
    store.load = async (bounds) => {
      this.loadBeganMs = performance.now();
      const loaded = await load(bounds);
      this.loadMs = performance.now() - this.loadBeganMs;
      return loaded;
    };
    store.save = async (delta) => {
      const barrier = this.#barrier;
      const beganMs = performance.now();
      const bytes = delta.blocks.reduce((sum, block) => sum + block.bytes.length, 0);
      const began = now();
      const saving = save(delta);
      this.#parts.save = Math.max(this.#parts.save, busyMsSince(began));
      await saving;
      const { atMs = 0, rows = this.savedRows } = barrier ?? {};
      const savedMs = performance.now() - atMs;
      const blocks = delta.blocks.length;
      this.#noted = { writtenOutMs: beganMs - atMs, savedMs, settledMs: 0, blocks, bytes };
      this.saved++;
      this.savedRows = rows;
    };
    return store;
  }

  /** The machine's clock; only the writing out of snapshots asks for its turn by `soon`. */
  clock(): Clock {
    const soon = (action: () => void): void =>
      systemClock.soon(() => {
        const began = now();
        action();
        this.#parts.step = Math.max(this.#parts.step, busyMsSince(began));
      });
    return { ...systemClock, soon };
  }

  #onWrite({ position, outputs, mustBeDurable }: SinkCommit): void {
    this.written ??= sumOf(outputs);
    if (!mustBeDurable) return;
    const atMs = performance.now();
    this.#isWanted = false;
    this.#barrier = { lsn: position.lsn, atMs, rows: this.#source.fed };
    // The snapshot begins after this call and before anything that waits for a promise.
    const began = now();
    queueMicrotask(() => {
      this.#parts.begin = Math.max(this.#parts.begin, busyMsSince(began));
    });
  }

  #onReport(flush: bigint): void {
    const barrier = this.#barrier;
    if (barrier === null || flush < barrier.lsn || this.#settledLsn >= barrier.lsn) return;
    this.#settledLsn = flush;
    this.#noted = { ...this.#noted, settledMs: performance.now() - barrier.atMs };
  }
}

/** Rows and amounts of view rows (id, rows, amount). */
function sumOf(outputs: readonly OutputBatch[]): Counted {
  const counted = { rows: 0, cents: 0 };
  for (const output of outputs) {
    if (output.kind !== "view") continue;
    const [, rows = [], amounts = []] = output.columns;
    for (const count of rows) counted.rows += Number(count);
    for (const amount of amounts) counted.cents += Math.round(Number(String(amount)) * 100);
  }
  return counted;
}
