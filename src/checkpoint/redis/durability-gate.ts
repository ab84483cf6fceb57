import type { Clock } from "../../core/clock.js";
import { TidemarkError } from "../../core/errors.js";
import { chooseDurability, type Durability, type DurabilityWish } from "./durability.js";
import { readRedisFacts } from "./redis-facts.js";
import { listOf, type RedisSession } from "./redis-session.js";

/**
 * How many later generations have to follow before one counts, where only time tells. Each that
 * does not come costs another delay: who waits for the first one saves no other meanwhile.
 */
const LATER_GENERATIONS = 2;
/** WAITAOF is asked again so often before the store counts as failed. */
const ATTEMPTS = 10;

export interface GateOptions {
  readonly session: RedisSession;
  readonly clock: Clock;
  readonly durability: Durability;
  readonly wish: DurabilityWish;
  /** For `delay`: how old a generation has to be, in milliseconds. */
  readonly delayMs: number;
  /** How long one WAITAOF may block the connection, in milliseconds. */
  readonly waitMs: number;
}

/**
 * Says when what was written on a connection is durable.
 *
 * - `waitaof`: the server has confirmed that it, and so many replicas, have it on disk. The numbers
 *   it returns are looked at, because it returns after its timeout, too.
 * - `always`: the server answers a write only after the fsync; looked at is whether it still does.
 * - `delay`: it is old enough, two later generations were written after it (or it is three times as
 *   old), the file is healthy, and no fsync was late meanwhile. Each late one adds another delay.
 * - `none`: at once.
 */
export class DurabilityGate {
  readonly #options: GateOptions;
  #generations = 0;
  #isClosed = false;
  /** Waits for a number of generations, or for time; told when there may be news. */
  readonly #waiters = new Set<() => void>();

  constructor(options: GateOptions) {
    this.#options = options;
  }

  /** Whether only time and later generations tell that something is durable. */
  get isLate(): boolean {
    return this.#options.durability === "delay";
  }

  /** Resolves when all that was written until now is durable. Called after each switch. */
  follow(): Promise<void> {
    this.#generations += 1;
    this.#wake();
    const durable = this.#follow(this.#generations);
    durable.catch(() => {}); // also given to whoever asks whether it has settled
    return durable;
  }

  /** What is not durable by now, and is waited for, is given up. */
  close(): void {
    this.#isClosed = true;
    this.#wake();
  }

  async #follow(generation: number): Promise<void> {
    switch (this.#options.durability) {
      case "waitaof":
        return this.#waitAof();
      case "always":
        await this.#verify();
        return;
      case "delay":
        return this.#waitOut(generation);
      case "none":
        return;
    }
  }

  async #waitAof(): Promise<void> {
    const { session, wish, waitMs } = this.#options;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const reply = listOf(await session.send("WAITAOF", 1, wish.replicas, waitMs));
      if (Number(reply[0]) >= 1 && Number(reply[1]) >= wish.replicas) return;
      if (this.#isClosed) throw closed();
    }
    const who = wish.replicas === 0 ? "Redis has" : `Redis and ${wish.replicas} replicas have`;
    throw new TidemarkError(
      "CHECKPOINT_FAILED",
      `It was not confirmed that ${who} the checkpoint on disk; look at the disk and the ` +
        "replicas. Nothing was acknowledged.",
    );
  }

  async #waitOut(generation: number): Promise<void> {
    const { clock, delayMs } = this.#options;
    for (let late = await this.#verify(); ; ) {
      const dueMs = clock.monotonic() + delayMs;
      await this.#until(dueMs, () => false);
      const isFollowed = (): boolean => this.#generations >= generation + LATER_GENERATIONS;
      await this.#until(dueMs + LATER_GENERATIONS * delayMs, isFollowed);
      const now = await this.#verify();
      if (now <= late) return;
      late = now;
    }
  }

  /** Throws when the server does not keep what it kept at the start. Returns its late fsyncs. */
  async #verify(): Promise<number> {
    const { session, wish, durability } = this.#options;
    const facts = await readRedisFacts(session);
    chooseDurability(facts, { ...wish, durability });
    if (facts.isAofHealthy) return facts.delayedFsyncs;
    throw new TidemarkError(
      "CHECKPOINT_FAILED",
      "Redis could not write its append-only file; mend what its log names. Nothing was " +
        "acknowledged.",
    );
  }

  /** Waits for a moment of the monotonic clock, or for `isTrue` before it. */
  async #until(dueMs: number, isTrue: () => boolean): Promise<void> {
    const { clock } = this.#options;
    while (!isTrue() && clock.monotonic() < dueMs) {
      if (this.#isClosed) throw closed();
      await new Promise<void>((resolve) => {
        const cancel = clock.after(dueMs - clock.monotonic(), () => wake());
        const wake = (): void => {
          cancel();
          this.#waiters.delete(wake);
          resolve();
        };
        this.#waiters.add(wake);
      });
    }
  }

  #wake(): void {
    for (const wake of [...this.#waiters]) wake();
  }
}

function closed(): TidemarkError {
  return new TidemarkError(
    "CHECKPOINT_FAILED",
    "The checkpoint store was closed before the checkpoint was durable. It was not acknowledged.",
  );
}
