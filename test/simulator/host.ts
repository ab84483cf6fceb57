import type { Clock } from "../../src/core/clock.js";
import type { Random } from "../torture/random.js";

interface Timer {
  readonly dueMs: number;
  readonly action: () => void;
}

/** The time of one simulated world; everybody's clock shows it. */
export interface Timeline {
  nowMs: number;
}

/**
 * A process of the pipeline as the machine sees it: it can be frozen (SIGSTOP), and killed. Its
 * timers are its own, so that they end with it and stand still while it is frozen.
 */
export class Host implements Clock {
  isDead = false;
  isFrozen = false;
  readonly #timeline: Timeline;
  readonly #random: Random;
  readonly #timers = new Set<Timer>();

  constructor(timeline: Timeline, random: Random) {
    this.#timeline = timeline;
    this.#random = random;
  }

  now(): number {
    return this.#timeline.nowMs;
  }

  /** Looking takes time now and then, so that long work is cut into steps. */
  monotonic(): number {
    if (this.#random.chance(0.2)) this.#timeline.nowMs += 3;
    return this.#timeline.nowMs;
  }

  after(delayMs: number, action: () => void): () => void {
    const timer = { dueMs: this.#timeline.nowMs + delayMs, action };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  }

  soon(action: () => void): void {
    this.after(0, action);
  }

  /** Whether it does anything by itself. */
  get isAwake(): boolean {
    return !this.isDead && !this.isFrozen;
  }

  /** The moment of its next timer; null without one, or while it sleeps. */
  get dueMs(): number | null {
    if (!this.isAwake || this.#timers.size === 0) return null;
    let least = Number.POSITIVE_INFINITY;
    for (const { dueMs } of this.#timers) if (dueMs < least) least = dueMs;
    return least;
  }

  /** Runs one timer whose moment has come. */
  fire(): void {
    for (const timer of this.#timers) {
      if (timer.dueMs > this.#timeline.nowMs) continue;
      this.#timers.delete(timer);
      timer.action();
      return;
    }
  }

  /** SIGKILL: nothing of it runs any more. */
  kill(): void {
    this.isDead = true;
    this.#timers.clear();
  }
}

/**
 * Resolves when every promise that can go on has gone on. Node runs what nextTick is given once its
 * queue of promise reactions is empty, so that this waits for all of them and for nothing else.
 */
export function settled(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}
