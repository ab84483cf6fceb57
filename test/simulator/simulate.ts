import type { Sale } from "../fixtures/shop.js";
import type { Random } from "../torture/random.js";
import { randomOf } from "../torture/random.js";
import { settled } from "./host.js";
import { type Process, World } from "./world.js";

/** What came of one seed. */
export interface Verdict {
  readonly seed: number;
  readonly violations: readonly string[];
  /** What happened, in order; empty unless asked for. */
  readonly trace: readonly string[];
  readonly steps: number;
  readonly faults: number;
  readonly transactions: number;
}

/** Something that can happen now. */
interface Possibility {
  readonly what: string;
  readonly weight: number;
  readonly happen: () => void;
}

const HEAL_STEPS = 4_000;
const SHOPS = ["a", "b", "c"];

/** Faults that a seed may have; each has its own, so that rare mixtures are not drowned. */
const FAULTS = [
  "kill",
  "cut",
  "lose",
  "crash results",
  "crash checkpoints",
  "crash source",
  "stop source",
  "freeze",
  "second",
  "stop",
  "refuse",
  "hand over",
] as const;
type Fault = (typeof FAULTS)[number];

/**
 * Plays one seed: a while in which anything may happen, then peace, in which everything has to
 * arrive. The same seed plays the same world.
 */
export async function simulate(
  seed: number,
  options: { isTraced?: boolean } = {},
): Promise<Verdict> {
  const random = randomOf(seed);
  const world = new World(random);
  const game = new Game(world, random, options.isTraced ?? false);
  world.start();
  if (random.chance(0.1)) world.start(); // two first starts at once
  const chaos = random.between(80, 320);
  for (let step = 0; step < chaos && world.violations.length === 0; step++) await game.step();
  if (world.violations.length === 0) await game.heal();
  for (const { host } of world.processes) host.kill();
  return {
    seed,
    violations: world.violations,
    trace: game.trace,
    steps: game.steps,
    faults: game.faults,
    transactions: world.postgres.log.length,
  };
}

class Game {
  readonly trace: string[] = [];
  steps = 0;
  faults = 0;
  readonly #world: World;
  readonly #random: Random;
  readonly #isTraced: boolean;
  readonly #faults: ReadonlySet<Fault>;
  readonly #faultWeight: number;
  #possible: Possibility[] = [];
  #isPeace = false;

  constructor(world: World, random: Random, isTraced: boolean) {
    this.#world = world;
    this.#random = random;
    this.#isTraced = isTraced;
    this.#faults = new Set(FAULTS.filter(() => random.chance(0.4)));
    this.#faultWeight = random.next() ** 2;
  }

  /** Lets one thing happen, and everything that follows from it at once. */
  async step(): Promise<void> {
    this.#possible = [];
    this.#offerNetwork();
    this.#offerStreams();
    this.#offerTime();
    this.#offerServers();
    if (!this.#isPeace) {
      this.#offerWriters();
      this.#offerFaults();
    }
    const total = this.#possible.reduce((sum, { weight }) => sum + weight, 0);
    let at = this.#random.next() * total;
    const chosen = this.#possible.find(({ weight }) => {
      at -= weight;
      return at < 0;
    });
    if (chosen === undefined) return;
    if (this.#isTraced) this.trace.push(chosen.what);
    this.steps++;
    chosen.happen();
    await settled();
    this.#world.sweep();
  }

  /** Faults end and nothing new is written: everything has to arrive, in bounded time. */
  async heal(): Promise<void> {
    const world = this.#world;
    this.#isPeace = true;
    for (const { host } of world.processes) host.isFrozen = false;
    while (world.postgres.openCount > 0) world.postgres.rollback(0);
    world.postgres.flush();
    world.isShutdownAsked = false;
    for (let step = 0; !world.isDone && world.violations.length === 0; step++) {
      if (step === HEAL_STEPS) world.violations.push("not everything has arrived in time of peace");
      await this.step();
    }
    if (world.violations.length === 0) await world.compareAtEnd();
  }

  #offer(what: string, weight: number, happen: () => void): void {
    this.#possible.push({ what, weight, happen });
  }

  #offerNetwork(): void {
    for (const connection of this.#world.connections) {
      if (connection.hasRequest) this.#offer("request", 4, () => connection.execute());
      if (connection.hasReply) this.#offer("reply", 4, () => connection.deliver());
    }
  }

  #offerStreams(): void {
    const random = this.#random;
    const world = this.#world;
    for (const stream of world.streams) {
      if (stream.isReadable) {
        const count = random.chance(0.8) ? random.between(1, 6) : 40;
        this.#offer(`read ${count}`, 6, () => stream.read(count));
      }
      if (stream.isIdle) {
        const isUrgent = world.isShutdownAsked || random.chance(0.1);
        const share = random.chance(0.6) ? 1 : random.next();
        const weight = world.isShutdownAsked ? 4 : 1;
        this.#offer(`keepalive ${share}${isUrgent ? " urgent" : ""}`, weight, () =>
          stream.keepalive(share, world.timeline.nowMs, isUrgent),
        );
      }
      if (stream.hasStatus) {
        const isSaved = random.chance(0.3);
        this.#offer("status", 3, () => stream.receiveStatus(isSaved));
      }
      if (stream.hasLoss) this.#offer("notice", 2, () => stream.notice());
    }
  }

  #offerTime(): void {
    const { timeline, processes } = this.#world;
    for (const { host } of processes) {
      const { dueMs } = host;
      if (dueMs === null) continue;
      this.#offer(`timer at ${dueMs}`, 1.5, () => {
        timeline.nowMs = Math.max(timeline.nowMs, dueMs);
        host.fire();
      });
    }
    const ms = this.#random.chance(0.9) ? this.#random.between(1, 30) : 20_000;
    this.#offer(`${ms} ms`, 1, () => {
      timeline.nowMs += ms;
    });
  }

  #offerServers(): void {
    const { postgres, results, checkpoints, processes } = this.#world;
    if (!postgres.isUp) this.#offer("source starts", 2, () => postgres.start());
    if (!results.isUp) this.#offer("results start", 2, () => up(results));
    if (!checkpoints.isUp) this.#offer("checkpoints start", 2, () => up(checkpoints));
    if (processes.length === 0) this.#offer("start", 3, () => this.#world.start());
    for (const { host } of processes) {
      if (!host.isFrozen) continue;
      this.#offer("thaw", 0.3, () => {
        host.isFrozen = false;
      });
    }
  }

  #offerWriters(): void {
    const { postgres, timeline } = this.#world;
    const random = this.#random;
    if (!postgres.isUp || this.#world.isShutdownAsked) return;
    if (postgres.openCount < 3) this.#offer("begin", 2, () => postgres.begin());
    if (postgres.openCount > 0) {
      const index = random.between(0, postgres.openCount - 1);
      this.#offer("insert", 4, () => postgres.insert(index, this.#row()));
      this.#offer("commit", 3, () => postgres.commit(index, timeline.nowMs, random.chance(0.8)));
      this.#offer("rollback", 0.4, () => postgres.rollback(index));
    }
    this.#offer("noise", 0.5, () => postgres.noise());
    this.#offer("flush", 1, () => postgres.flush());
  }

  #row(): Sale {
    const random = this.#random;
    const atMs = this.#world.timeline.nowMs - random.between(0, 90_000);
    const cents = random.between(-500, 2_000);
    return [SHOPS[random.between(0, 2)] ?? "a", atMs, (cents / 100).toFixed(2)];
  }

  #offerFaults(): void {
    const world = this.#world;
    const { postgres, results, checkpoints, processes } = world;
    const process = processes[this.#random.between(0, processes.length - 1)];
    if (process !== undefined) this.#offerProcessFaults(process);
    this.#fault("hand over", () => this.#handOver());
    const connections = world.connections.filter(({ isBroken }) => !isBroken);
    const cut = connections[this.#random.between(0, connections.length - 1)];
    const isHeard = this.#random.chance(0.5);
    if (cut !== undefined) this.#fault("cut", () => cut.break(isHeard));
    const { walsender } = world.site;
    if (walsender !== null) this.#fault("lose", () => walsender.lose());
    if (results.isUp) this.#fault("crash results", () => world.crashResults());
    this.#fault("refuse", () => {
      results.refusesNext = true;
    });
    if (checkpoints.isUp) this.#fault("crash checkpoints", () => world.crashCheckpoints());
    if (!postgres.isUp) return;
    this.#fault("crash source", () => world.crashSource());
    this.#fault("stop source", () => {
      if (world.isShutdownAsked) world.stopSource();
      else world.isShutdownAsked = true;
    });
  }

  /** A deploy: another process starts and waits, and some time later who has the slot ends. */
  #handOver(): void {
    const world = this.#world;
    const reader = world.processes.find(({ host }) => host === world.site.walsender?.host);
    if (world.processes.length < 2) world.start();
    else if (reader === undefined) return;
    else if (this.#random.chance(0.5) || reader.host.isFrozen) world.kill(reader);
    else this.#stop(reader);
  }

  #stop(process: Process): void {
    if (process.isStopping) return;
    process.isStopping = true;
    void process.runtime.stop();
  }

  #offerProcessFaults(process: Process): void {
    const world = this.#world;
    this.#fault("kill", () => world.kill(process));
    if (!process.host.isFrozen) {
      this.#fault("freeze", () => {
        process.host.isFrozen = true;
      });
    } else if (world.site.walsender?.host === process.host) {
      // wal_sender_timeout: the server gives up on who does not answer.
      this.#fault("freeze", () => world.site.walsender?.lose());
    }
    if (world.processes.length < 2) this.#fault("second", () => world.start());
    if (process.isStopping || process.host.isFrozen) return;
    this.#fault("stop", () => this.#stop(process));
  }

  #fault(fault: Fault, happen: () => void): void {
    if (!this.#faults.has(fault)) return;
    this.#offer(fault.toUpperCase(), this.#faultWeight, () => {
      this.faults++;
      happen();
    });
  }
}

function up(server: { isUp: boolean }): void {
  server.isUp = true;
}
