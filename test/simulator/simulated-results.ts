import { MemoryResults, MemorySink } from "../../sinks/memory/memory-sink.js";
import { TidemarkError } from "../../src/core/errors.js";
import type { Lsn } from "../../src/core/lsn.js";
import type { AppendBatch, OutputShape } from "../../src/core/output.js";
import type { Position } from "../../src/core/position.js";
import type { Sink, SinkCommit, SinkProgress } from "../../src/core/sink.js";
import { Connection } from "./connection.js";
import type { Host } from "./host.js";

type Snapshot = Pick<MemoryResults, "progress" | "watermarkMs" | "views">;

const away = () => new TidemarkError("SINK_FAILED", "The simulated results are away.");

/**
 * A results server: what everybody sees, and the part of it that a crash leaves. Commits that need
 * not be durable are lost from the end, together with all after them.
 */
export class SimulatedResults {
  readonly shared: MemoryResults = new MemoryResults();
  readonly connections: Set<Connection> = new Set();
  isUp = true;
  /** The next write is rolled back, and the connection stays: a lock timeout, a full disk. */
  refusesNext = false;
  /** Told of each claim that takes effect. */
  onClaim: (host: Host) => void = () => {};
  readonly #onWrite: (commit: SinkCommit) => Promise<void>;
  #durable: Snapshot;
  #volatile: Snapshot[] = [];

  /** `onWrite` sees each write at the moment it takes effect. */
  constructor(onWrite: (commit: SinkCommit) => Promise<void> = async () => {}) {
    this.#onWrite = onWrite;
    this.#durable = this.#snapshot();
  }

  open(host: Host): Sink {
    const connection = new Connection(host, away);
    this.connections.add(connection);
    return new SimulatedSink(connection, this);
  }

  /** The position that a crash would leave at least. */
  get durableLsn(): Lsn {
    return this.#durable.progress?.position.lsn ?? -1n;
  }

  /** How many commits a crash could take back. */
  get volatileCount(): number {
    return this.#volatile.length;
  }

  /** Everything so far survives a crash. */
  flush(): void {
    this.#durable = this.#snapshot();
    this.#volatile = [];
  }

  /** Throws where the next write was to be refused. */
  admit(): void {
    if (!this.refusesNext) return;
    this.refusesNext = false;
    throw new TidemarkError("SINK_FAILED", "The simulated results refuse a write.");
  }

  written(commit: SinkCommit): Promise<void> {
    if (commit.mustBeDurable) this.flush();
    else this.#volatile.push(this.#snapshot());
    return this.#onWrite(commit);
  }

  /** Loses all but the durable part and the first `kept` commits after it. */
  crash(kept: number): void {
    this.isUp = false;
    const left = kept === 0 ? this.#durable : (this.#volatile[kept - 1] ?? this.#durable);
    Object.assign(this.shared, left);
    this.flush();
  }

  #snapshot(): Snapshot {
    const { progress, watermarkMs, views } = this.shared;
    return { progress, watermarkMs, views };
  }
}

class SimulatedSink implements Sink {
  readonly #connection: Connection;
  readonly #server: SimulatedResults;
  readonly #sink: MemorySink;

  constructor(connection: Connection, server: SimulatedResults) {
    this.#connection = connection;
    this.#server = server;
    this.#sink = new MemorySink(server.shared);
  }

  open(): Promise<SinkProgress | null> {
    return this.#call(() => this.#sink.open());
  }

  prepare(outputs: readonly OutputShape[]): Promise<readonly string[]> {
    return this.#durably(() => this.#sink.prepare(outputs));
  }

  claim(epoch: number, position: Position, isAnew?: boolean): Promise<SinkProgress> {
    return this.#durably(async () => {
      const progress = await this.#sink.claim(epoch, position, isAnew);
      this.#server.onClaim(this.#connection.host);
      return progress;
    });
  }

  stage(batches: readonly AppendBatch[]): Promise<void> {
    return this.#call(() => this.#sink.stage(batches));
  }

  write(commit: SinkCommit): Promise<void> {
    return this.#call(async () => {
      this.#server.admit();
      await this.#sink.write(commit);
      await this.#server.written(commit);
    });
  }

  reset(outputs: readonly string[]): Promise<void> {
    return this.#durably(() => this.#sink.reset(outputs));
  }

  async close(): Promise<void> {
    this.#connection.break(true);
  }

  #durably<T>(effect: () => Promise<T>): Promise<T> {
    return this.#call(async () => {
      const result = await effect();
      this.#server.flush();
      return result;
    });
  }

  #call<T>(effect: () => Promise<T>): Promise<T> {
    return this.#connection.call(async () => {
      if (!this.#server.isUp) throw away();
      return effect();
    });
  }
}
