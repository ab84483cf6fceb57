import type { Client } from "pg";
import type { DecoderFactory } from "../core/decoder.js";
import { TidemarkError } from "../core/errors.js";
import { type Lsn, maxLsn, ZERO_LSN } from "../core/lsn.js";
import type { Position } from "../core/position.js";
import { isShutdown } from "../core/postgres-errors.js";
import type { ChangeStream, StreamHandlers, TableSnapshot } from "../core/source.js";
import type { SpillStore } from "../core/spill.js";
import type { SqlSession } from "../core/sql.js";
import { DecodeQueue } from "./decode-queue.js";
import { type DrainState, isDraining, NO_DRAIN, observeKeepalive } from "./drain.js";
import type { Keepalive } from "./frames.js";
import { judgeLiveness } from "./liveness.js";
import { type PublicationNeed, publicationProblem } from "./publication.js";
import { PLUGIN_MESSAGE } from "./recording/copy-data.js";
import type { StreamTap } from "./recording/stream-tap.js";
import { ReplicationTransport, type SystemIdentity } from "./replication-transport.js";
import { encodeStandbyStatus } from "./standby-status.js";

/** What a stream needs beside the handlers. */
export interface SlotStreamOptions extends PublicationNeed {
  readonly url: string;
  readonly slotName: string;
  readonly walSenderTimeoutMs: number;
  readonly watchIntervalMs: number;
  readonly decoder: DecoderFactory;
  /** Where transactions in progress go that memory shall not hold. */
  readonly spill?: SpillStore;
  /** Options of the output plugin, known once the server is (plugin-options.ts). */
  readonly pluginOptions?: Readonly<Record<string, string>>;
  readonly handlers: StreamHandlers;
  /** Liveness trips in a row that brought nothing. */
  readonly fruitlessTrips: number;
  beforeStart(identity: SystemIdentity, client: Client): Promise<Lsn>;
  /** Known once `beforeStart` has run. */
  position(): Position;
  /** What the slot has been told already; `position` when absent. */
  readonly confirmed?: Lsn;
  /** Opens a plain session for the watch over the publication. */
  connect(): Promise<SqlSession>;
  /**
   * Records what comes; the slot is then told nothing that the recording lacks. Closed with the
   * stream.
   */
  readonly tap?: StreamTap | undefined;
  /** Closed with the stream. */
  readonly snapshot?: TableSnapshot | null;
  /**
   * How often a status is sent when nothing else causes one, at most (milliseconds); a third of
   * `walSenderTimeoutMs` where that is less. 5 s when absent.
   */
  readonly statusIntervalMs?: number;
  /** While the server drains: time to save a last checkpoint (milliseconds). 1.5 s when absent. */
  readonly drainGraceMs?: number;
  /** How long the server may take to begin the stream (milliseconds). 60 s when absent. */
  readonly startTimeoutMs?: number;
}

const STATUS_INTERVAL_MS = 5_000;
const DRAIN_GRACE_MS = 1_500;
const START_TIMEOUT_MS = 60_000;
const UNSYNCED = { upTo: ZERO_LSN, done: null };

/**
 * One connection's life: bytes to frames to batches, the answers to keepalives, and the timers
 * (status, liveness, publication watch), none of which waits for the read path. Decisions are in
 * pure functions (liveness, drain, pacing); this is the shell round them.
 */
export class SlotStream implements ChangeStream {
  readonly closed: Promise<void>;
  readonly #options: SlotStreamOptions;
  readonly #queue: DecodeQueue;
  #transport: ReplicationTransport | null = null;
  #timers: NodeJS.Timeout[] = [];
  #received: Lsn = ZERO_LSN;
  #flush: Lsn = ZERO_LSN;
  #apply: Lsn = ZERO_LSN;
  #lastHeardMs = performance.now();
  #isPaused = true;
  /** What the tap was asked to have on disk, and when it has. */
  #synced: { readonly upTo: Lsn; readonly done: Promise<void> | null } = UNSYNCED;
  /** Messages that came before the reader was ready for them, for the tap. */
  #early: { readonly bytes: Uint8Array; readonly from: number; readonly to: number }[] = [];
  #isWatching = false;
  #hasResumed = false;
  #isHandingOver = false;
  #hasEarly = false;
  #keepalive: Keepalive | null = null;
  #isAsked = false;
  #drain: DrainState = NO_DRAIN;
  #drainTimer: NodeJS.Timeout | null = null;
  #hasProgressed = false;
  #settleClosed: (outcome: Promise<void>) => void = () => {};

  private constructor(options: SlotStreamOptions) {
    this.#options = options;
    const { spill } = options;
    this.#queue = new DecodeQueue(options.decoder.create(spill === undefined ? {} : { spill }));
    this.closed = new Promise((settle) => {
      this.#settleClosed = settle;
    });
    this.closed.catch(() => {}); // observed by the owner; never an unhandled rejection
  }

  static async open(options: SlotStreamOptions): Promise<SlotStream> {
    const stream = new SlotStream(options);
    stream.#transport = await ReplicationTransport.open({
      url: options.url,
      slotName: options.slotName,
      publication: options.decoder.plugin === "pgoutput" ? options.publication : null,
      ...(options.pluginOptions === undefined ? {} : { pluginOptions: options.pluginOptions }),
      walSenderTimeoutMs: options.walSenderTimeoutMs,
      startTimeoutMs: options.startTimeoutMs ?? START_TIMEOUT_MS,
      beforeStart: (identity, client) => options.beforeStart(identity, client),
      handler: {
        onMessage: (bytes, start, end) => stream.#onMessage(bytes, start, end),
        onKeepalive: (keepalive) => stream.#onKeepalive(keepalive),
      },
      onReadEnd: () => stream.#onReadEnd(),
    });
    stream.#begin(stream.#transport);
    return stream;
  }

  get position(): Position {
    return this.#options.position();
  }

  get snapshot(): TableSnapshot | null {
    return this.#options.snapshot ?? null;
  }

  get bytesReceived(): number {
    return this.#transport?.bytesReceived ?? 0;
  }

  /** Whether any change has arrived on this connection. */
  get hasProgressed(): boolean {
    return this.#hasProgressed;
  }

  resume(): void {
    if (this.#isPaused) this.#lastHeardMs = performance.now();
    this.#isPaused = false;
    if (!this.#hasResumed) this.#tapEarly();
    this.#hasResumed = true;
    this.#readOn();
    if (this.#hasEarly) setImmediate(() => this.#replay());
  }

  pause(): void {
    this.#isPaused = true;
    this.#transport?.pause();
  }

  report(flush: Lsn, apply: Lsn): void {
    const moved = flush > this.#flush || apply > this.#apply;
    this.#flush = maxLsn(this.#flush, flush);
    this.#apply = maxLsn(this.#apply, apply);
    if (moved) this.#sendStatus(false);
    this.#syncTap(flush);
  }

  advanced(position: Lsn, serverMs: number): void {
    const { tap } = this.#options;
    if (this.#hasResumed) tap?.onAdvance(position, serverMs);
    else tap?.expectAdvance(position, serverMs);
  }

  async close(): Promise<void> {
    if (this.#transport === null) return;
    if (this.#synced.done !== null) await this.#synced.done;
    this.#sendStatus(false);
    await this.#transport.close();
    await this.snapshot?.close();
    await this.closed.catch(() => {});
    // What is not on disk by now was not acknowledged, and is sent again.
    await this.#options.tap?.close().catch(() => {});
  }

  #begin(transport: ReplicationTransport): void {
    const { walSenderTimeoutMs, watchIntervalMs } = this.#options;
    // The stream may begin at a checkpoint that is not yet known to be durable.
    this.#flush = this.#options.confirmed ?? this.position.lsn;
    this.#apply = this.position.lsn;
    this.#received = this.position.lsn;
    const longest = this.#options.statusIntervalMs ?? STATUS_INTERVAL_MS;
    const third = walSenderTimeoutMs === 0 ? longest : walSenderTimeoutMs / 3;
    this.#timers = [
      setInterval(() => this.#onTick(transport), Math.min(third, longest)),
      setInterval(() => void this.#watchPublication(transport), watchIntervalMs),
    ];
    const over = transport.closed.finally(() => {
      for (const timer of this.#timers) clearInterval(timer);
      if (this.#drainTimer !== null) clearTimeout(this.#drainTimer);
      this.#queue.close();
    });
    this.#settleClosed(over);
    this.#sendStatus(false);
  }

  #onMessage(bytes: Uint8Array, start: number, end: number): void {
    this.#queue.push(bytes, start, end);
    const { tap } = this.#options;
    if (tap === undefined) return;
    const from = start - PLUGIN_MESSAGE;
    if (this.#hasResumed) tap.onMessage(bytes, from, end);
    else this.#early.push({ bytes, from, to: end });
  }

  /** Until the reader is ready, it may still have to say what comes before the first message. */
  #tapEarly(): void {
    const { tap } = this.#options;
    for (const { bytes, from, to } of this.#early) tap?.onMessage(bytes, from, to);
    this.#early = [];
    tap?.onRoom(() => {
      if (!this.#isPaused) this.#readOn();
    });
  }

  #readOn(): void {
    if (this.#queue.isBusy) this.#handOverLater();
    else if (this.#options.tap?.isFull !== true) this.#transport?.resume();
  }

  /** What is acknowledged has to be in the recording first. */
  #syncTap(flush: Lsn): void {
    const { tap } = this.#options;
    if (tap === undefined || flush <= tap.durableLsn || flush <= this.#synced.upTo) return;
    const done = tap.sync().then(
      () => this.#sendStatus(false),
      (error: TidemarkError) => this.#transport?.abort(error),
    );
    this.#synced = { upTo: flush, done };
  }

  /** Messages that came in one read with the answer to START_REPLICATION wait for `resume`. */
  #replay(): void {
    if (!this.#hasEarly || this.#isPaused) return;
    this.#hasEarly = false;
    this.#transport?.endRead();
  }

  #onReadEnd(): void {
    this.#lastHeardMs = performance.now();
    if (!this.#hasResumed) {
      this.#hasEarly = true;
      return;
    }
    const batch = this.#queue.take();
    if (batch !== null) {
      this.#hasProgressed = true;
      this.#received = maxLsn(this.#received, this.#transport?.lastWalStart ?? ZERO_LSN);
      this.#options.handlers.onBatch(batch);
    }
    if (this.#transport?.isOpen !== true) return;
    if (this.#options.tap?.isFull === true) this.#transport.pause();
    if (this.#queue.isBusy) this.#handOverLater();
    else this.#onQuiet();
  }

  /**
   * A held transaction that commits is handed over in parts, between which timers and writes have
   * their turn. The socket is left alone until all is handed over.
   */
  #handOverLater(): void {
    if (this.#isHandingOver) return;
    this.#isHandingOver = true;
    this.#transport?.pause();
    setImmediate(() => {
      this.#isHandingOver = false;
      if (this.#isPaused) return; // `resume` goes on
      this.#transport?.endRead();
      if (!this.#queue.isBusy && !this.#isPaused) this.#readOn();
    });
  }

  #onKeepalive(keepalive: Keepalive): void {
    // Inside a transaction it proves nothing: its walEnd may be that transaction's commit.
    if (!this.#queue.isInTransaction) this.#keepalive = keepalive;
    this.#isAsked ||= keepalive.isReplyRequested;
    this.#drain = observeKeepalive(this.#drain, keepalive, performance.now());
    this.#received = maxLsn(this.#received, keepalive.walEnd);
  }

  /** After a read: nothing open, and a keepalive seen between transactions, mean idle. */
  #onQuiet(): void {
    const keepalive = this.#keepalive;
    const isAsked = this.#isAsked;
    this.#keepalive = null;
    this.#isAsked = false;
    if (keepalive !== null && !this.#queue.isInTransaction) {
      this.#options.handlers.onIdle(keepalive.walEnd, keepalive.serverMs, isAsked);
    }
    if (isAsked) this.#sendStatus(false);
    if (isDraining(this.#drain) && this.#drainTimer === null) {
      const graceMs = this.#options.drainGraceMs ?? DRAIN_GRACE_MS;
      this.#drainTimer = setTimeout(() => this.#transport?.abort(draining()), graceMs);
    }
  }

  #onTick(transport: ReplicationTransport): void {
    const verdict = judgeLiveness({
      nowMs: performance.now(),
      lastHeardMs: this.#lastHeardMs,
      isPaused: this.#isPaused,
      walSenderTimeoutMs: this.#options.walSenderTimeoutMs,
      fruitlessTrips: this.#options.fruitlessTrips,
    });
    // Paused, we cannot read the keepalives by which a server says that it shuts down.
    if (this.#isPaused) void this.#watchPublication(transport);
    if (verdict === "dead") transport.abort(silent());
    else this.#sendStatus(verdict === "probe");
  }

  /** From version 18 on a dropped publication only warns in the server's log (silence for us). */
  async #watchPublication(transport: ReplicationTransport): Promise<void> {
    let problem: TidemarkError | null;
    let session: SqlSession | null = null;
    if (this.#isWatching) return;
    this.#isWatching = true;
    try {
      session = await this.#options.connect();
      const hasPublication = this.#options.decoder.plugin === "pgoutput";
      problem = hasPublication ? await publicationProblem(session, this.#options) : null;
    } catch (error) {
      const cause = error instanceof TidemarkError ? error.cause : error;
      if (isShutdown(cause)) transport.abort(draining());
      return; // otherwise the server is busy or gone: the stream itself will notice
    } finally {
      this.#isWatching = false;
      await session?.end();
    }
    if (problem !== null) transport.abort(problem);
  }

  #sendStatus(askReply: boolean): void {
    const recorded = this.#options.tap?.durableLsn ?? this.#flush;
    const flush = this.#flush < recorded ? this.#flush : recorded;
    const positions = { write: this.#received, flush, apply: this.#apply };
    this.#transport?.send(encodeStandbyStatus(positions, Date.now(), askReply));
  }
}

function draining(): TidemarkError {
  return new TidemarkError(
    "SERVER_DRAINING",
    "The server is shutting down; the stream is closed so that it can, and read again when it " +
      "is back.",
  );
}

function silent(): TidemarkError {
  return new TidemarkError(
    "LIVENESS",
    "Nothing was heard from the server for too long; the connection is made anew.",
  );
}
