import { MemoryCheckpoint, MemoryCheckpointStore } from "../../src/checkpoint/memory-store.js";
import type {
  CheckpointDelta,
  CheckpointHeader,
  CheckpointStore,
  LoadBounds,
  LoadedCheckpoint,
} from "../../src/core/checkpoint-store.js";
import { TidemarkError } from "../../src/core/errors.js";
import type { Lsn } from "../../src/core/lsn.js";
import type { Position } from "../../src/core/position.js";
import { Connection } from "./connection.js";
import type { Host } from "./host.js";

type Snapshot = Pick<MemoryCheckpoint, "header" | "generations">;

const away = () => new TidemarkError("CHECKPOINT_FAILED", "The simulated store is away.");

/** Told of what takes effect, at that moment. */
export interface CheckpointEvents {
  onSave(lsn: Lsn): void;
  onClaim(host: Host): void;
}

/**
 * A checkpoint server that, like Redis, shows a checkpoint before it is durable: a save takes
 * effect at once, and only `settled` makes sure that a crash leaves it. So does a claim; the birth
 * is durable when it resolves.
 */
export class SimulatedCheckpoints {
  readonly shared: MemoryCheckpoint = new MemoryCheckpoint();
  readonly connections: Set<Connection> = new Set();
  isUp = true;
  /** Like PostgreSQL: what is saved is durable, and nothing is left to settle. */
  readonly isDurableAtOnce: boolean;
  readonly #seen: CheckpointEvents;
  #durable: Snapshot;

  constructor(isDurableAtOnce: boolean, seen: CheckpointEvents) {
    this.isDurableAtOnce = isDurableAtOnce;
    this.#seen = seen;
    this.#durable = this.#snapshot();
  }

  open(host: Host): CheckpointStore {
    const connection = new Connection(host, away);
    this.connections.add(connection);
    return new SimulatedStore(connection, this);
  }

  /** The position that a crash would leave. */
  get durable(): Position | null {
    return this.#durable.header?.position ?? null;
  }

  saved(delta: CheckpointDelta): void {
    if (this.isDurableAtOnce) this.flush();
    this.#seen.onSave(delta.position.lsn);
  }

  claimed(host: Host): void {
    if (this.isDurableAtOnce) this.flush();
    this.#seen.onClaim(host);
  }

  flush(): void {
    this.#durable = this.#snapshot();
  }

  /** What is not settled is lost. */
  crash(): void {
    this.isUp = false;
    Object.assign(this.shared, this.#durable);
  }

  #snapshot(): Snapshot {
    const { header, generations } = this.shared;
    return { header, generations };
  }
}

class SimulatedStore implements CheckpointStore {
  readonly #connection: Connection;
  readonly #server: SimulatedCheckpoints;
  readonly #store: MemoryCheckpointStore;

  constructor(connection: Connection, server: SimulatedCheckpoints) {
    this.#connection = connection;
    this.#server = server;
    this.#store = new MemoryCheckpointStore(server.shared);
  }

  open(): Promise<CheckpointHeader | null> {
    return this.#call(() => this.#store.open());
  }

  readHeader(): Promise<CheckpointHeader | null> {
    return this.#call(() => this.#store.readHeader());
  }

  recordBirth(): Promise<void> {
    return this.#durably(() => this.#store.recordBirth());
  }

  claim(epoch: number, position: Position | null): Promise<void> {
    return this.#call(async () => {
      await this.#store.claim(epoch, position);
      this.#server.claimed(this.#connection.host);
    });
  }

  load(bounds?: LoadBounds): Promise<LoadedCheckpoint> {
    return this.#call(() => this.#store.load(bounds));
  }

  save(delta: CheckpointDelta): Promise<void> {
    return this.#call(async () => {
      await this.#store.save(delta);
      this.#server.saved(delta);
    });
  }

  async settled(lsn: Lsn): Promise<void> {
    if (this.#server.isDurableAtOnce) return;
    await this.#call(async () => {
      const stands = this.#server.shared.header?.position?.lsn ?? -1n;
      if (stands < lsn) throw away(); // lost in a crash
      this.#server.flush();
    });
  }

  reset(): Promise<void> {
    return this.#durably(() => this.#store.reset());
  }

  async close(): Promise<void> {
    this.#connection.break(true);
  }

  async #durably(effect: () => Promise<void>): Promise<void> {
    await this.#call(async () => {
      await effect();
      this.#server.flush();
    });
  }

  #call<T>(effect: () => Promise<T>): Promise<T> {
    return this.#connection.call(async () => {
      if (!this.#server.isUp) throw away();
      return effect();
    });
  }
}
