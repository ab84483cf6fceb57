import { TidemarkError } from "../../src/core/errors.js";
import type { Lsn } from "../../src/core/lsn.js";
import type { SinkCommit } from "../../src/core/sink.js";
import type { Plan } from "../../src/pipeline/plan.js";
import { Runtime } from "../../src/pipeline/runtime.js";
import type { RunSettings } from "../../src/pipeline/settings.js";
import type { Random } from "../torture/random.js";
import type { Connection } from "./connection.js";
import { Host, settled, type Timeline } from "./host.js";
import { type IdleAdvance, Tally, Undisturbed } from "./oracle.js";
import { SimulatedCheckpoints } from "./simulated-checkpoints.js";
import { simulatedPlan } from "./simulated-plan.js";
import { SimulatedPostgres } from "./simulated-postgres.js";
import { SimulatedResults } from "./simulated-results.js";
import { SimulatedSource, type SimulatedStream, type SourceSite } from "./simulated-source.js";

const SETTINGS: RunSettings = {
  flushIntervalMs: 20,
  checkpointIntervalMs: 100,
  idleCheckpointIntervalMs: 200,
  maxInFlightBytes: 1_500,
  maxOutputBytes: 2 ** 20,
  maxStateBytes: 2 ** 30,
  retryMinMs: 10,
  retryMaxMs: 200,
  stopDeadlineMs: 400,
};
const T0 = Date.UTC(2026, 10, 23, 12);

/** Compiled once a seed would be most of its time; a plan is a plain value. */
const KEEPS_ALL = simulatedPlan("20s");
const RETAINS = simulatedPlan("5s", "1m");

/** A process of the pipeline. */
export interface Process {
  readonly host: Host;
  readonly runtime: Runtime;
  isOver: boolean;
  isStopping: boolean;
}

/**
 * One simulated world: a source, a results server, a checkpoint server, and processes that run the
 * real Runtime, Session and Engine between them. It only offers what can happen; which of it does
 * happen, and when, is decided outside (simulate.ts). What must never be is looked for at the
 * moment it would happen.
 */
export class World {
  readonly violations: string[] = [];
  readonly postgres: SimulatedPostgres = new SimulatedPostgres();
  readonly checkpoints: SimulatedCheckpoints;
  readonly results: SimulatedResults = new SimulatedResults((commit) => this.#onWrite(commit));
  readonly timeline: Timeline = { nowMs: T0 };
  readonly site: SourceSite;
  readonly streams: Set<SimulatedStream> = new Set();
  processes: Process[] = [];
  /** Whether idle moments move windows out of the view. */
  readonly hasRetention: boolean;
  isShutdownAsked = false;
  readonly #random: Random;
  readonly #plan: Plan;
  readonly #tally: Tally;
  readonly #undisturbed: Undisturbed;
  /** Who got the slot, and who claimed after that, in order. */
  readonly #successions: { readonly host: Host; readonly isClaim: boolean }[] = [];
  #idles: IdleAdvance[] = [];
  /** Whose claim of the checkpoints a crash took back. */
  readonly #forgotten = new Set<Host>();
  /** Who ran when somebody last claimed the results. */
  readonly #witnesses = new Map<Host, ReadonlySet<Host>>();

  constructor(random: Random) {
    this.#random = random;
    this.hasRetention = random.chance(0.3);
    this.postgres.sendsEmpty = random.chance(0.3);
    this.checkpoints = new SimulatedCheckpoints(random.chance(0.3), {
      onSave: (lsn) => this.#onSave(lsn),
      onClaim: (host) => this.#onClaim(host),
    });
    this.results.onClaim = (host) => {
      this.#witnesses.set(host, new Set(this.processes.map((process) => process.host)));
    };
    this.#plan = this.hasRetention ? RETAINS : KEEPS_ALL;
    this.#tally = new Tally(this.postgres);
    this.#undisturbed = new Undisturbed(this.#plan, this.postgres);
    this.site = {
      postgres: this.postgres,
      connections: new Set(),
      walsender: null,
      onOpen: (stream) => {
        this.streams.add(stream);
        this.#successions.push({ host: stream.host, isClaim: false });
      },
      onReport: (stream, flush) => this.#onReport(stream, flush),
    };
  }

  /** Starts one more process. */
  start(): void {
    const host = new Host(this.timeline, this.#random);
    const runtime = new Runtime({
      plan: this.#plan,
      settings: SETTINGS,
      source: new SimulatedSource(host, this.site),
      openSink: () => this.results.open(host),
      openStore: () => this.checkpoints.open(host),
      clock: host,
      random: () => this.#random.next(),
      onRetry: () => {},
    });
    const started: Process = { host, runtime, isOver: false, isStopping: false };
    this.processes.push(started);
    runtime.run().then(
      () => this.#onEnd(started, null),
      (error: unknown) => this.#onEnd(started, error),
    );
  }

  /** SIGKILL; whether its last requests are heard is chance. */
  kill({ host }: Process): void {
    host.kill();
    this.processes = this.processes.filter((other) => other.host !== host);
    for (const connection of this.connections) {
      if (connection.host === host) connection.break(this.#random.chance(0.5));
    }
    for (const stream of this.streams) if (stream.host === host) stream.lose();
  }

  /** Everything between processes and servers but the streams. */
  get connections(): Connection[] {
    return [...this.site.connections, ...this.results.connections, ...this.checkpoints.connections];
  }

  crashSource(): void {
    this.postgres.crash();
    this.#sourceIsDown();
  }

  stopSource(): void {
    this.postgres.stop();
    this.#sourceIsDown();
  }

  crashResults(): void {
    this.results.crash(this.#random.between(0, this.results.volatileCount));
    const stands = this.results.shared.progress?.position.lsn ?? 0n;
    this.#idles = this.#idles.filter(({ lsn }) => lsn <= stands);
    for (const connection of this.results.connections) lost(connection);
  }

  crashCheckpoints(): void {
    const claimed = this.checkpoints.shared.header?.epoch;
    this.checkpoints.crash();
    const claimer = this.#successions.findLast(({ isClaim }) => isClaim);
    const isForgotten = claimed !== this.checkpoints.shared.header?.epoch;
    if (isForgotten && claimer !== undefined) this.#forgotten.add(claimer.host);
    for (const connection of this.checkpoints.connections) lost(connection);
  }

  /** Lets go of what is over, so that looking for what can happen next stays quick. */
  sweep(): void {
    for (const set of [this.site.connections, this.results.connections]) sweep(set);
    sweep(this.checkpoints.connections);
    for (const stream of this.streams) {
      if (stream.isOver && !stream.hasLoss && !stream.host.isFrozen) this.streams.delete(stream);
    }
  }

  /** Whether everything that was committed has arrived, and was saved and acknowledged. */
  get isDone(): boolean {
    const end = this.postgres.log.at(-1)?.endLsn ?? 0n;
    const confirmed = this.postgres.slot?.confirmed ?? -1n;
    return confirmed >= end && (this.results.shared.progress?.position.lsn ?? -1n) >= end;
  }

  /** Compares the results with those of a run that nothing disturbed. */
  async compareAtEnd(): Promise<void> {
    await settled();
    const { progress } = this.results.shared;
    if (progress !== null) await this.#compare(progress.position.lsn);
  }

  async #compare(lsn: Lsn): Promise<void> {
    const problem = await this.#undisturbed.compare(this.results.shared, lsn, this.#idles);
    if (problem !== null) this.violations.push(problem);
  }

  #sourceIsDown(): void {
    this.isShutdownAsked = false;
    for (const stream of this.streams) stream.lose();
    for (const connection of this.site.connections) lost(connection);
  }

  #onEnd(ended: Process, error: unknown): void {
    ended.isOver = true;
    this.processes = this.processes.filter((other) => other !== ended);
    if (error === null) {
      if (!ended.isStopping) this.violations.push("a run ended that nobody stopped");
      return;
    }
    const isExpected =
      error instanceof TidemarkError && (error.retry === "backoff" || error.code === "FENCED");
    if (error instanceof TidemarkError && error.code === "FENCED") this.#judgeFence(ended.host);
    if (!isExpected) this.violations.push(`a run ended with ${String(error)}`);
  }

  #onReport(stream: SimulatedStream, flush: Lsn): void {
    const durable = this.checkpoints.durable?.lsn ?? -1n;
    // A process that was replaced may not know how far its successor has come, but never less.
    if (flush > durable) this.violations.push(`ack ${flush} > durable checkpoint ${durable}`);
    if (flush < stream.reported) this.violations.push(`ack ${flush} after ${stream.reported}`);
  }

  #onSave(lsn: Lsn): void {
    const { durableLsn } = this.results;
    if (lsn > durableLsn) this.violations.push(`checkpoint ${lsn} > durable results ${durableLsn}`);
  }

  #onClaim(host: Host): void {
    const hadSlot = this.#successions.some((other) => other.host === host);
    if (hadSlot) this.#successions.push({ host, isClaim: true });
  }

  /**
   * Nobody is fenced off but by a claim after its own start, of someone who had the slot. Who
   * looked at the results before such a claim, and at checkpoints that had forgotten it, cannot
   * know better.
   */
  #judgeFence(host: Host): void {
    for (const other of this.#forgotten) {
      if (other !== host && this.#witnesses.get(other)?.has(host) === true) return;
    }
    const begun = this.#successions.findIndex((other) => other.host === host);
    const later = this.#successions.slice(Math.max(begun, 0));
    const isRight = later.some((other) => other.isClaim && other.host !== host);
    if (!isRight) this.violations.push("a run was fenced off by nobody");
  }

  async #onWrite(commit: SinkCommit): Promise<void> {
    const { lsn } = commit.position;
    if (commit.idleMs !== null) this.#idles.push({ lsn, serverMs: commit.idleMs });
    await this.#compare(lsn);
    if (this.hasRetention) return;
    const problem = this.#tally.compare(this.results.shared, lsn);
    if (problem !== null) this.violations.push(problem);
  }
}

function lost(connection: Connection): void {
  connection.break(false);
  connection.forget();
}

function sweep(connections: Set<Connection>): void {
  for (const connection of connections) if (connection.isSpent) connections.delete(connection);
}
