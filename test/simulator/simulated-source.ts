import { PgoutputDecoder } from "../../decoders/pgoutput/decoder.js";
import type { CatalogTable } from "../../src/core/catalog.js";
import { TidemarkError } from "../../src/core/errors.js";
import { type Lsn, maxLsn } from "../../src/core/lsn.js";
import type { Position } from "../../src/core/position.js";
import type { ChangeSource, ChangeStream, StreamRequest } from "../../src/core/source.js";
import type { SlotFacts } from "../../src/source/slot.js";
import { judgeServer, judgeStart } from "../../src/source/start-verdict.js";
import { sales } from "../fixtures/shop.js";
import { Connection } from "./connection.js";
import type { Host } from "./host.js";
import type { SimulatedPostgres } from "./simulated-postgres.js";

/** What the world sees of a stream: who looks at every ack, and where connections are kept. */
export interface SourceSite {
  readonly postgres: SimulatedPostgres;
  readonly connections: Set<Connection>;
  /** The stream that has the slot. */
  walsender: SimulatedStream | null;
  onOpen(stream: SimulatedStream): void;
  onReport(stream: SimulatedStream, flush: Lsn): void;
}

const SYSTEM = { systemId: "7", timeline: 1 };
const POLL_MS = 25;
const POLLS = 40;
const GOODBYE_MS = 1_000;

const unreachable = () => new TidemarkError("SOURCE_UNREACHABLE", "The simulated source is away.");
const active = () => new TidemarkError("SLOT_ACTIVE", "Another process reads the slot.");

/**
 * Opens streams as src/source/slot-source.ts does, step by step and in its order, on a simulated
 * server; the verdicts are the real ones.
 */
export class SimulatedSource implements ChangeSource {
  readonly #host: Host;
  readonly #site: SourceSite;

  constructor(host: Host, site: SourceSite) {
    this.#host = host;
    this.#site = site;
  }

  async describe(names: readonly string[]): Promise<CatalogTable[]> {
    return [sales].filter((table) => names.includes(table.qualifiedName));
  }

  async open(request: StreamRequest): Promise<ChangeStream> {
    const connection = new Connection(this.#host, unreachable);
    this.#site.connections.add(connection);
    let opened: SimulatedStream | null = null;
    try {
      const { position, held } = await this.#prepare(connection, request);
      const stream = await this.#ask(connection, () => {
        opened = this.#startReplication(request, { position, held });
        // A request that comes after its connection broke: the server notices, too.
        if (connection.isBroken) opened.lose();
        return opened;
      });
      return stream;
    } catch (error) {
      (opened as SimulatedStream | null)?.lose();
      throw error;
    } finally {
      connection.break(false);
    }
  }

  /** Makes the slot ready; returns where to begin and what the server's history has to hold. */
  async #prepare(
    connection: Connection,
    request: StreamRequest,
  ): Promise<{ position: Position; held: readonly (Position | null)[] }> {
    const { postgres } = this.#site;
    let slot = await this.#waitUntilFree(connection);
    let header = await request.readCheckpoint();
    if (slot === null && header?.position != null) {
      slot = await this.#waitUntilFree(connection);
      header = await request.readCheckpoint();
    }
    const checkpoint = header?.position ?? null;
    const held = [checkpoint, request.results ?? null];
    const verdict = judgeStart({
      slotName: "simulated",
      slot,
      checkpoint,
      earlier: header?.earlier ?? [],
      isBirthPending: header !== null && checkpoint === null,
      mayAdopt: false,
    });
    if (verdict.action === "resume") {
      return { position: { ...SYSTEM, lsn: verdict.from }, held };
    }
    await request.recordBirth();
    if (verdict.action === "recreate") await this.#ask(connection, () => this.#dropSlot());
    const lsn = await this.#ask(connection, () => {
      if (postgres.slot !== null) throw unreachable(); // 42710, the slot exists already
      return postgres.createSlot();
    });
    return { position: { ...SYSTEM, lsn }, held };
  }

  #startReplication(
    request: StreamRequest,
    { position, held }: { position: Position; held: readonly (Position | null)[] },
  ): SimulatedStream {
    const { postgres } = this.#site;
    if (this.#site.walsender !== null) throw active();
    if (postgres.slot === null) throw unreachable(); // 42704
    const server = { ...SYSTEM, walFlushLsn: postgres.flushedLsn, branchLsn: null };
    for (const known of held) if (known !== null) judgeServer(server, known);
    const stream = new SimulatedStream(this.#host, this.#site, { request, position });
    this.#site.walsender = stream;
    this.#site.onOpen(stream);
    return stream;
  }

  #ask<T>(connection: Connection, effect: () => T): Promise<T> {
    return connection.call(async () => {
      if (!this.#site.postgres.isUp) throw unreachable();
      return effect();
    });
  }

  async reset(): Promise<void> {}

  async #waitUntilFree(connection: Connection): Promise<SlotFacts | null> {
    for (let polls = 0; ; polls++) {
      const slot = await this.#ask(connection, () => this.#slotFacts());
      if (slot?.activePid == null) return slot;
      if (polls >= POLLS) throw active();
      await new Promise<void>((resolve) => this.#host.after(POLL_MS, resolve));
    }
  }

  #dropSlot(): void {
    if (this.#site.walsender !== null) throw active();
    this.#site.postgres.slot = null;
  }

  #slotFacts(): SlotFacts | null {
    const { postgres, walsender } = this.#site;
    if (postgres.slot === null) return null;
    return {
      plugin: "pgoutput",
      database: "shop",
      currentDatabase: "shop",
      activePid: walsender === null ? null : 1,
      restartLsn: postgres.slot.persisted,
      confirmedFlushLsn: postgres.slot.confirmed,
      walStatus: "reserved",
      invalidationReason: null,
    };
  }
}

/** What a stream is opened with. */
interface StreamStart {
  readonly request: StreamRequest;
  readonly position: Position;
}

/**
 * One replication connection. What arrives is decoded and handed over as src/source/slot-stream.ts
 * does it; when, and cut into which reads, the world decides. Status updates are a queue of their
 * own, and may be lost with the connection.
 */
export class SimulatedStream implements ChangeStream {
  bytesReceived = 0;
  isOver = false;
  /** The greatest flush position it was told. */
  reported: Lsn;
  readonly host: Host;
  readonly position: Position;
  readonly closed: Promise<void>;
  readonly #site: SourceSite;
  readonly #request: StreamRequest;
  readonly #decoder = new PgoutputDecoder();
  readonly #outbox: (Lsn | "terminate")[] = [];
  #isPaused = true;
  #isClosing = false;
  #next: number;
  #messages: readonly Buffer[] = [];
  #sent: Lsn;
  #settle: { end: () => void; fail: (error: unknown) => void } = { end() {}, fail() {} };
  #onGoodbye: () => void = () => {};
  /** Why it is over, until the process has been told. */
  #loss: TidemarkError | null = null;

  constructor(host: Host, site: SourceSite, { request, position }: StreamStart) {
    this.host = host;
    this.position = position;
    this.reported = 0n;
    this.#site = site;
    this.#request = request;
    this.#next = site.postgres.firstSent(position.lsn);
    this.#sent = site.postgres.slot?.confirmed ?? position.lsn;
    this.closed = new Promise((end, fail) => {
      this.#settle = { end, fail };
    });
    this.closed.catch(() => {});
  }

  resume(): void {
    this.#isPaused = false;
  }

  pause(): void {
    this.#isPaused = true;
  }

  report(flush: Lsn): void {
    this.#site.onReport(this, flush);
    this.reported = maxLsn(this.reported, flush);
    if (!this.isOver) this.#outbox.push(this.reported);
  }

  async close(): Promise<void> {
    if (this.#isClosing) return;
    this.#isClosing = true;
    if (!this.isOver) {
      this.#outbox.push(this.reported, "terminate");
      await new Promise<void>((resolve) => {
        this.host.after(GOODBYE_MS, resolve);
        this.#onGoodbye = resolve;
      });
      this.#detach();
    }
    this.#settle.end();
  }

  /** Whether a read would bring something. */
  get isReadable(): boolean {
    if (!this.#isReading || this.#isPaused) return false;
    const { log, flushedLsn } = this.#site.postgres;
    const next = log[this.#next];
    return this.#messages.length > 0 || (next !== undefined && next.endLsn <= flushedLsn);
  }

  /** Whether a status update is on its way to the server. */
  get hasStatus(): boolean {
    return this.#outbox.length > 0 && this.#site.postgres.isUp;
  }

  /** Whether the process has not yet noticed that the connection is gone. */
  get hasLoss(): boolean {
    return this.#loss !== null && this.host.isAwake;
  }

  get isIdle(): boolean {
    return this.#isReading && !this.#isPaused && !this.#decoder.isInTransaction;
  }

  /** The process reads so many messages, or what there is. */
  read(count: number): void {
    const { log, flushedLsn } = this.#site.postgres;
    try {
      for (let n = 0; n < count; n++) {
        if (this.#messages.length === 0) {
          const next = log[this.#next];
          if (next === undefined || next.endLsn > flushedLsn) break;
          this.#messages = next.messages;
          this.#next++;
        }
        const [message, ...rest] = this.#messages as [Buffer, ...Buffer[]];
        this.#messages = rest;
        this.bytesReceived += message.length + 30;
        this.#decoder.decode(message, 0, message.length);
        if (rest.length === 0) this.#sent = maxLsn(this.#sent, log[this.#next - 1]?.endLsn ?? 0n);
      }
      if (this.#decoder.pending > 0) this.#request.handlers.onBatch(this.#decoder.take());
    } catch (error) {
      this.#fail(error);
    }
  }

  /**
   * A keepalive at `share` of the way from what was sent last to the next commit record that was
   * not: every place where a server may put one.
   */
  keepalive(share: number, serverMs: number, isUrgent: boolean): void {
    if (this.#messages.length > 0 || this.#decoder.isInTransaction) return;
    const { log, flushedLsn } = this.#site.postgres;
    const commitLsn = log[this.#next]?.commitLsn ?? flushedLsn;
    const last = commitLsn < flushedLsn ? commitLsn : flushedLsn;
    const room = Number(last - this.#sent);
    if (room < 0) return;
    const walEnd = this.#sent + BigInt(Math.round(room * share));
    this.#sent = walEnd;
    this.bytesReceived += 20;
    try {
      this.#request.handlers.onIdle(walEnd, serverMs, isUrgent);
    } catch (error) {
      this.#fail(error);
    }
  }

  /** The oldest status update arrives. */
  receiveStatus(isSaved: boolean): void {
    const status = this.#outbox.shift();
    if (status === undefined) return;
    if (status !== "terminate") {
      this.#site.postgres.acknowledge(status, isSaved);
      return;
    }
    this.#detach();
    this.#onGoodbye();
  }

  /** The connection breaks; what was not yet received is lost. */
  lose(error: TidemarkError = unreachable()): void {
    if (this.isOver) return;
    this.#detach();
    this.#loss = error;
  }

  /** The process notices the loss. */
  notice(): void {
    const loss = this.#loss;
    this.#loss = null;
    this.#onGoodbye();
    this.#settle.fail(loss);
  }

  get #isReading(): boolean {
    return !this.isOver && !this.#isClosing && this.host.isAwake && this.#site.postgres.isUp;
  }

  #fail(error: unknown): void {
    this.#detach();
    this.#settle.fail(error);
  }

  #detach(): void {
    this.isOver = true;
    this.#outbox.length = 0;
    if (this.#site.walsender === this) this.#site.walsender = null;
  }
}
