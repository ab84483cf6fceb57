import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { type PostgresServer, startPostgres } from "../../../src/cli/embedded/postgres-server.js";
import { FAILPOINTS, type FailpointName } from "../../../src/core/failpoint.js";
import { eventually } from "../../services/eventually.js";
import { openSql, type SqlSession } from "../../services/sql.js";
import { startTidemark, type TidemarkProcess } from "../../services/tidemark-child.js";
import { observe } from "../observer.js";
import { type Random, randomOf } from "../random.js";
import type { Sampling } from "../sampling.js";
import type { Writers } from "../write-rounds.js";
import { compareBooks, ledgerConfig, SPANS } from "./books.js";
import { startReader } from "./reader.js";
import { openStoreSite, type StoreSite, type TortureStore } from "./store-site.js";
import { startWorkload, TABLES } from "./workload.js";

export interface TortureOptions {
  /** Ends of a process, most of them kills. */
  readonly rounds: number;
  readonly seed: number;
  readonly store: TortureStore;
  /** Ends the rounds early; the books are compared all the same. */
  readonly signal?: AbortSignal;
  /** Told what has been done, a line at a time. */
  readonly onProgress?: (line: string) => void;
}

/** What a run has seen; `violations` is empty when every promise was kept. */
export interface TortureVerdict {
  readonly seed: number;
  readonly store: TortureStore;
  readonly rounds: number;
  /** SIGKILLs in all. */
  readonly killed: number;
  /** Ends by where they struck; behind a plus after the pipeline was changed. */
  readonly ends: Readonly<Record<string, number>>;
  readonly serverCrashes: number;
  readonly comparisons: number;
  readonly committed: number;
  readonly rolledBack: number;
  readonly events: number;
  readonly samples: { readonly slot: number; readonly reader: number };
  readonly peakRssMib: number;
  readonly heldWalMib: number;
  /** From the start of a process to its first row, over all that got so far: median and most. */
  readonly startMs: { readonly median: number; readonly most: number };
  readonly violations: readonly string[];
}

const NAME = "ledger";
const COMPARE_EVERY = 10;
const STRIKE_WITHIN_MS = 3_000;
/** Where a changed pipeline is killed: while its state is fitted and while it is first saved. */
const MIGRATION: readonly FailpointName[] = [
  "state-fitted",
  "results-before-commit",
  "results-committing",
  "results-committed",
  "checkpoint-staged",
  "checkpoint-switched",
  "checkpoint-saved",
  "acknowledged",
];
const CATCH_UP_MS = 90_000;
/** L10 and L11. */
const RSS_LIMIT_MIB = 256;
const HELD_WAL_LIMIT_MIB = 64;
const MIB = 2 ** 20;

/**
 * Kills the shipped command line again and again, at chance moments and at failpoints, while
 * writers write; every few kills everything rests and the books are compared. Servers, folders and
 * processes are its own and gone when it ends.
 */
export async function runTorture(options: TortureOptions): Promise<TortureVerdict> {
  const settings = { fsync: "off", track_commit_timestamp: "on" };
  const server = await startPostgres({ settings });
  const folder = mkdtempSync(join(tmpdir(), "tidemark-torture-"));
  const site = await openStoreSite(options.store, NAME, folder);
  try {
    const torture = await Torture.begin(options, { server, folder, site });
    return await torture.run();
  } finally {
    await site.close();
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function makeDatabase(server: PostgresServer, name: string): Promise<string> {
  const { sql, close } = openSql(server.url);
  await sql(`create database ${name}`);
  await close();
  const url = new URL(server.url);
  url.pathname = `/${name}`;
  return url.href;
}

/** What a torture has for itself. */
interface Ground {
  readonly server: PostgresServer;
  readonly folder: string;
  readonly site: StoreSite;
}

class Torture {
  readonly #options: TortureOptions;
  readonly #server: PostgresServer;
  readonly #site: StoreSite;
  readonly #random: Random;
  readonly #config: string;
  readonly #env: Readonly<Record<string, string>>;
  readonly #source: SqlSession;
  readonly #results: SqlSession;
  readonly #workload: Writers;
  readonly #reader: Sampling;
  readonly #observer: Sampling;
  readonly #ends = new Map<string, number>();
  readonly #startMs: number[] = [];
  readonly #violations: string[] = [];
  #killed = 0;
  #peakRss = 0;
  #serverCrashes = 0;
  #comparisons = 0;
  #edition = 0;
  /** See Spans. */
  #since = "0/0";

  private constructor(
    options: TortureOptions,
    { server, folder, site }: Ground,
    { source, results }: { readonly source: string; readonly results: string },
  ) {
    this.#options = options;
    this.#server = server;
    this.#site = site;
    this.#random = randomOf(options.seed);
    this.#config = join(folder, "tidemark.config.ts");
    this.#env = {
      TIDEMARK_SOURCE_URL: source,
      TIDEMARK_RESULTS_URL: results,
      ...site.env,
      TIDEMARK_FLUSH_INTERVAL: "20ms",
      TIDEMARK_CHECKPOINT_INTERVAL: "100ms",
      TIDEMARK_IDLE_CHECKPOINT_INTERVAL: "200ms",
      TIDEMARK_RETRY_MIN: "50ms",
      TIDEMARK_RETRY_MAX: "500ms",
    };
    this.#source = openSql(source);
    this.#results = openSql(results);
    this.#workload = startWorkload(source, randomOf(options.seed + 1));
    this.#reader = startReader(results);
    this.#observer = observe({ source, results }, { pipeline: NAME, newest: site.newest });
  }

  /** Makes the databases and lets the pipeline be born, with a few deaths on the way. */
  static async begin(options: TortureOptions, ground: Ground): Promise<Torture> {
    const source = await makeDatabase(ground.server, "books");
    const results = await makeDatabase(ground.server, "results");
    const { sql, close } = openSql(source);
    await sql(TABLES);
    await close();
    const torture = new Torture(options, ground, { source, results });
    await torture.#bear();
    return torture;
  }

  async run(): Promise<TortureVerdict> {
    const { rounds, signal, onProgress = () => {} } = this.#options;
    this.#workload.resume();
    let round = 0;
    while (round < rounds && this.#violations.length === 0 && signal?.aborted !== true) {
      round++;
      if (round % COMPARE_EVERY === 0) {
        await this.#compare();
        onProgress(`round ${round}: ${this.#workload.committed} transactions`);
      } else await this.#strike();
    }
    if (this.#violations.length === 0) await this.#compare("SIGTERM");
    const heldWalMib = await this.#heldWalMib();
    if (heldWalMib > HELD_WAL_LIMIT_MIB) this.#violations.push(`L11 ${heldWalMib} MiB of WAL held`);
    const [row] = await this.#source.sql("select count(*)::int as n from wl_event");
    await Promise.all([this.#workload.stop(), this.#reader.stop(), this.#observer.stop()]);
    await Promise.all([this.#source.close(), this.#results.close()]);
    const peakRssMib = Math.round(this.#peakRss / MIB);
    if (peakRssMib > RSS_LIMIT_MIB) this.#violations.push(`L10 ${peakRssMib} MiB resident`);
    const sorted = this.#startMs.sort((a, b) => a - b);
    return {
      ...{ seed: this.#options.seed, store: this.#options.store, rounds: round },
      killed: this.#killed,
      ends: Object.fromEntries([...this.#ends].sort()),
      serverCrashes: this.#serverCrashes,
      comparisons: this.#comparisons,
      committed: this.#workload.committed,
      rolledBack: this.#workload.rolledBack,
      events: Number(row?.["n"]),
      samples: { slot: this.#observer.samples, reader: this.#reader.samples },
      peakRssMib,
      heldWalMib,
      startMs: { median: sorted[sorted.length >> 1] ?? 0, most: sorted.at(-1) ?? 0 },
      violations: [
        ...this.#violations,
        ...this.#reader.violations,
        ...this.#observer.violations.map((line) => `L7 ${line}`),
      ],
    };
  }

  /** The width of the spans in this edition of the pipeline. */
  get #span(): string {
    return SPANS[this.#edition % SPANS.length] as string;
  }

  #start(failpoints = ""): TidemarkProcess {
    const begun = performance.now();
    writeFileSync(this.#config, ledgerConfig(NAME, this.#span));
    const armed = { TIDEMARK_FAILPOINTS: failpoints, TIDEMARK_ALLOW_FAILPOINTS: "1" };
    const process = startTidemark(["run", this.#config, "--allow-drop-state"], {
      env: { ...this.#env, ...(failpoints === "" ? {} : armed) },
    });
    process.logged("running").then(
      () => this.#startMs.push(Math.round(performance.now() - begun)),
      () => {}, // killed before
    );
    return process;
  }

  /** K7, three times: between the slot and the first checkpoint. */
  async #bear(): Promise<void> {
    for (let death = 0; death < 3; death++) {
      await this.#end("slot-created", this.#start("slot-created=kill"));
    }
    const born = this.#start();
    await born.logged("running");
    await this.#kill("anywhere", born);
  }

  /** One process, one end. */
  async #strike(): Promise<void> {
    const random = this.#random;
    if (random.chance(0.4)) await this.#strikeAnywhere();
    else if (random.chance(0.2)) await this.#strikeMigration();
    else await this.#strikeAt(this.#anyPlace());
  }

  async #strikeAnywhere(): Promise<void> {
    const random = this.#random;
    const process = this.#start();
    // Half of them die while they start.
    const isStarted = random.chance(0.5);
    if (isStarted) await process.logged("running", 1, CATCH_UP_MS);
    await pause(random.between(20, 600));
    if (isStarted && random.chance(0.15)) await this.#crashServer();
    await this.#kill("anywhere", process);
  }

  #anyPlace(): FailpointName {
    // Checkpoints in PostgreSQL leave no garbage to collect; state is fitted by a changed pipeline.
    const unreached = this.#options.store === "postgres" ? ["collecting"] : [];
    unreached.push("state-fitted");
    const places = FAILPOINTS.filter((name) => !unreached.includes(name));
    return places[this.#random.between(0, places.length - 1)] ?? "receive";
  }

  async #strikeAt(place: FailpointName): Promise<void> {
    const random = this.#random;
    const hit = place === "slot-created" ? 1 : random.between(1, place === "draining" ? 2 : 8);
    const process = this.#start(`${place}=kill@${hit}`);
    if (place === "draining") {
      await process.logged("running", 1, CATCH_UP_MS);
      await pause(random.between(0, 300));
      process.signal("SIGTERM");
    }
    await this.#end(place, process);
    // What the slot was told may not be on the server's disk yet.
    if (place === "acknowledged" && random.chance(0.3)) await this.#crashServer();
  }

  /** K12: the pipeline was changed, and dies while it takes over what fits. */
  async #strikeMigration(): Promise<void> {
    this.#edition++;
    const place = MIGRATION[this.#random.between(0, MIGRATION.length - 1)] ?? "state-fitted";
    await this.#end(place, this.#start(`${place}=kill@1`), "changed+");
  }

  async #crashServer(): Promise<void> {
    this.#serverCrashes++;
    const { crash } = this.#site;
    if (crash !== null && this.#random.chance(0.5)) await crash();
    else await this.#server.restart("immediate");
    await pause(this.#random.between(0, 1_000));
  }

  /** Waits for the failpoint to strike; one that is never reached ends like any other. */
  async #end(place: string, process: TidemarkProcess, prefix = ""): Promise<void> {
    await process.logged("running", 1, CATCH_UP_MS).catch(() => {}); // it may strike before
    await Promise.race([process.ended, pause(STRIKE_WITHIN_MS, null, { ref: false })]);
    if (process.isRunning()) return this.#kill(`${prefix}anywhere`, process);
    this.#judgeEnd(prefix + place, process, (await process.ended).signal);
  }

  async #kill(place: string, process: TidemarkProcess): Promise<void> {
    this.#peakRss = Math.max(this.#peakRss, process.peakRss() ?? 0);
    this.#judgeEnd(place, process, (await process.end("SIGKILL")).signal);
  }

  /** L9: it ends by our hand or not at all. */
  #judgeEnd(place: string, process: TidemarkProcess, signal: NodeJS.Signals | null): void {
    this.#ends.set(place, (this.#ends.get(place) ?? 0) + 1);
    if (signal === "SIGKILL") this.#killed++;
    this.#noteDropped(process);
    const isDrained = process.log().some(({ msg }) => msg === "stopped");
    if (signal === "SIGKILL" || (place === "draining" && isDrained)) return;
    this.#violations.push(`L9 a process ended by itself: ${process.stderr.slice(-500)}`);
  }

  /** Where the view that changes begins anew; no other may. */
  #noteDropped(process: TidemarkProcess): void {
    for (const line of process.log()) {
      if (!line.msg.startsWith("outputs begin without state")) continue;
      this.#since = String(line["checkpoint"]);
      const steps = JSON.stringify(line["steps"]);
      if (steps === JSON.stringify(["window public.event_spans"])) continue;
      this.#violations.push(`L6 ${steps} begin without state`);
    }
  }

  /** Everything rests until the results stand where the source does (L8); then the books agree. */
  async #compare(signal: "SIGKILL" | "SIGTERM" = "SIGKILL"): Promise<void> {
    const process = this.#start();
    await this.#workload.rest();
    const [end] = await this.#source.sql("select pg_current_wal_insert_lsn()::text as lsn");
    const isThere = async (): Promise<boolean> => {
      const [row] = await this.#results.sql(
        "select lsn >= $1::pg_lsn as there from tidemark.progress",
        [end?.["lsn"]],
      );
      return row?.["there"] === true;
    };
    try {
      await eventually("L8 the results stand where the source does", isThere, {
        withinMs: CATCH_UP_MS,
        explain: () => process.stderr.slice(-2_000),
      });
      this.#noteDropped(process);
      const spans = { width: this.#span, since: this.#since };
      const books = { source: this.#source.sql, results: this.#results.sql, spans };
      this.#violations.push(...(await compareBooks(books)));
    } catch (error) {
      this.#violations.push(String(error));
    }
    this.#comparisons++;
    this.#workload.resume();
    if (signal === "SIGKILL") return this.#kill("anywhere", process);
    await this.#workload.rest();
    const { code, stderr } = await process.end(signal);
    if (code !== 0) this.#violations.push(`L9 SIGTERM ended with ${code}: ${stderr.slice(-500)}`);
  }

  /** WAL that the slot holds once PostgreSQL has had a checkpoint. */
  async #heldWalMib(): Promise<number> {
    await this.#source.sql("checkpoint");
    const [row] = await this.#source.sql(
      `select pg_wal_lsn_diff(pg_current_wal_lsn(), restart_lsn)::float8 as held
       from pg_replication_slots where slot_name = $1`,
      [`tidemark_${NAME}`],
    );
    return Math.round(Number(row?.["held"]) / MIB);
  }
}
