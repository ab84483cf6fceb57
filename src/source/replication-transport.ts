import type { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import type { Client } from "pg";
import { LogicalReplicationService, PgoutputPlugin } from "pg-logical-replication";
import { AssertionFailure, assert } from "../core/assert.js";
import { TidemarkError } from "../core/errors.js";
import { formatLsn, type Lsn } from "../core/lsn.js";
import { fromPostgres, isPublicationSkipped } from "../core/postgres-errors.js";
import { type FrameHandler, FrameReader } from "./frames.js";
import { PAUSE_MS, RecentBytes, wantsPause } from "./pacing.js";
import { PRINT_SETTINGS } from "./print-settings.js";
import { clientConfig } from "./sql-client.js";

// Everything that touches pg-logical-replication and the insides of pg is in this file;
// test/source/replication-transport.pg.test.ts fails when those insides move.
//
// The library connects, authenticates and sends START_REPLICATION through our plugin. Its
// `acknowledge` adds one to the LSN it is given, and its timer reports what was received, so that
// the server may skip a transaction nobody has processed (FM6, FM8): neither is ever used. From the
// moment before START_REPLICATION the socket's bytes come to us first. What is in CopyData goes to
// the handler; the few other messages go back to pg's own parser.

const COMMAND_COMPLETE = 0x43; // C
const COPY_DONE = 0x63; // c

interface PgConnection extends EventEmitter {
  readonly stream: Socket;
  sendCopyFromChunk(chunk: Buffer): void;
}

/** How long a server may take to close a connection that we end. */
const GOODBYE_MS = 1_000;

/** Who the server says it is (IDENTIFY_SYSTEM). */
export interface SystemIdentity {
  readonly systemId: string;
  readonly timeline: number;
  /** Flushed up to here. */
  readonly walFlushLsn: string;
}

export interface TransportOptions {
  readonly url: string;
  readonly slotName: string;
  /** Null for a plugin that knows no publications. */
  readonly publication: string | null;
  /** Further options of the plugin (plugin-options.ts); pgoutput's version 1 when absent. */
  readonly pluginOptions?: Readonly<Record<string, string>>;
  /** Milliseconds the server is to wait for a sign of life from us; 0 turns that off. */
  readonly walSenderTimeoutMs: number;
  /** How long all of it may take until the stream begins, in milliseconds. */
  readonly startTimeoutMs: number;
  /** Milliseconds to leave the socket alone after small reads (pacing.ts); 0 never does. */
  readonly pauseMs?: number;
  /** Runs on the replication connection before the stream starts and says where to start. */
  beforeStart(identity: SystemIdentity, client: Client): Promise<Lsn>;
  /** Takes the messages of the output plugin and the keepalives. A throw ends the stream. */
  readonly handler: Pick<FrameHandler, "onMessage" | "onKeepalive">;
  /** After all messages of a read. A throw ends the stream. */
  onReadEnd(): void;
}

function sessionSettings(walSenderTimeoutMs: number): Readonly<Record<string, string>> {
  return {
    ...PRINT_SETTINGS,
    wal_sender_timeout: String(walSenderTimeoutMs),
    client_min_messages: "warning",
    // While we do not read, Linux counts a zero window as silence and would cut the connection.
    tcp_user_timeout: "0",
  };
}

/** A replication connection in copy mode. Reading begins paused. */
export class ReplicationTransport {
  readonly closed: Promise<void>;
  bytesReceived = 0;
  readonly #service: LogicalReplicationService;
  readonly #frames: FrameReader;
  readonly #onReadEnd: () => void;
  readonly #pauseMs: number;
  #connection: PgConnection | null = null;
  #passOn: ((bytes: Uint8Array) => void) | null = null;
  #isPaused = true;
  #pacer: NodeJS.Timeout | null = null;
  readonly #recent = new RecentBytes();
  #isClosing = false;
  /** Why what comes next must not be read. */
  #refusal: TidemarkError | null = null;
  readonly #publication: string | null;
  #settle: { resolve: () => void; reject: (error: unknown) => void } = {
    resolve: () => {},
    reject: () => {},
  };

  private constructor(options: TransportOptions) {
    this.#frames = new FrameReader({
      onMessage: (bytes, start, end) => options.handler.onMessage(bytes, start, end),
      onKeepalive: (keepalive) => options.handler.onKeepalive(keepalive),
      onOther: (frame) => this.#onOther(frame),
    });
    this.#onReadEnd = () => options.onReadEnd();
    this.#publication = options.publication;
    this.#pauseMs = options.pauseMs ?? PAUSE_MS;
    this.#service = new LogicalReplicationService(
      {
        ...clientConfig(options.url, sessionSettings(options.walSenderTimeoutMs)),
        application_name: `tidemark ${options.slotName}`,
      },
      { acknowledge: { auto: false, timeoutSeconds: 0 } },
    );
    this.closed = new Promise<void>((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    this.closed.catch(() => {}); // observed by the owner; never an unhandled rejection
  }

  /** Connects and starts the stream; resolves when the server has begun to send. */
  static async open(options: TransportOptions): Promise<ReplicationTransport> {
    const transport = new ReplicationTransport(options);
    const timer = setTimeout(() => transport.#fail(notStarted()), options.startTimeoutMs);
    await new Promise<void>((started, failed) => {
      const plugin = new StreamPlugin(options, (client) => transport.#attach(client, started));
      transport.#service.on("error", (error) => transport.#fail(error));
      transport.#service.subscribe(plugin, options.slotName).then(
        () => transport.#fail(serverEnded()),
        (error) => transport.#fail(error),
      );
      transport.closed.catch(failed);
    }).finally(() => clearTimeout(timer));
    return transport;
  }

  /** WAL position of the last message of the output plugin. */
  get lastWalStart(): Lsn {
    return this.#frames.lastWalStart;
  }

  /** Whether the connection was neither closed nor ended by an error. */
  get isOpen(): boolean {
    return !this.#isClosing;
  }

  /** Calls `onReadEnd` once more, as after a read. */
  endRead(): void {
    if (this.#isClosing) return;
    try {
      this.#onReadEnd();
    } catch (error) {
      this.#failAs(error);
    }
  }

  resume(): void {
    this.#isPaused = false;
    if (this.#pacer === null) this.#connection?.stream.resume();
  }

  pause(): void {
    this.#isPaused = true;
    this.#connection?.stream.pause();
  }

  /** Sends the payload of a CopyData message. */
  send(payload: Buffer): void {
    if (!this.#isClosing) this.#connection?.sendCopyFromChunk(payload);
  }

  /** Ends the connection because of `error`. */
  abort(error: TidemarkError): void {
    this.#fail(error);
  }

  /** Ends the connection when what was sent has arrived; `closed` is fulfilled. Never rejects. */
  async close(): Promise<void> {
    if (!this.#isClosing) await this.#sayGoodbye();
    this.#end();
    this.#settle.resolve();
    await this.closed.catch(() => {});
  }

  #attach(client: Client, started: () => void): void {
    const { connection } = client as unknown as { connection: PgConnection };
    const [parser, ...others] = connection.stream.listeners("data");
    assert(
      parser !== undefined && others.length === 0,
      "pg reads its socket with exactly one data listener",
    );
    client.on("notice", (notice) => {
      const publication = this.#publication;
      if (publication !== null && isPublicationSkipped(notice, publication)) {
        this.#refusal = skipped(publication);
      }
    });
    this.#connection = connection;
    this.#passOn = (frame) => parser.call(connection.stream, frame);
    connection.stream.removeAllListeners("data");
    connection.stream.on("data", (bytes: Buffer) => this.#read(bytes));
    connection.once("replicationStart", () => {
      if (this.#isPaused) connection.stream.pause();
      started();
    });
  }

  /** pg waits for ReadyForQuery after the end, which a server that shuts down never sends. */
  #onOther(frame: Uint8Array): void {
    if (frame[0] === COMMAND_COMPLETE || frame[0] === COPY_DONE) throw serverEnded();
    this.#passOn?.(frame);
    if (this.#refusal !== null) throw this.#refusal;
  }

  #read(bytes: Buffer): void {
    if (this.#isClosing) return;
    this.bytesReceived += bytes.length;
    try {
      this.#frames.feed(bytes);
      this.#onReadEnd();
    } catch (error) {
      this.#failAs(error);
      return;
    }
    this.#pace(bytes.length);
  }

  #pace(bytesRead: number): void {
    const recentBytes = this.#recent.add(bytesRead, performance.now());
    if (this.#pauseMs === 0 || this.#isPaused || this.#pacer !== null) return;
    if (!wantsPause(bytesRead, recentBytes)) return;
    this.#connection?.stream.pause();
    this.#pacer = setTimeout(() => {
      // Node reads a paused socket on until 16 KiB are buffered, a packet at a time, and would hand
      // them over one by one, each with a pause of its own. `read` hands all of them over at once.
      this.#connection?.stream.read();
      this.#pacer = null;
      if (!this.#isPaused && !this.#isClosing) this.#connection?.stream.resume();
    }, this.#pauseMs);
  }

  /** Ends the stream with an error of pg or the socket, which is given a code. */
  #fail(error: unknown): void {
    this.#failAs(error instanceof AssertionFailure ? error : fromPostgres(error, "source"));
  }

  /** Ends the stream with this very error: one that was thrown by who reads it. */
  #failAs(error: unknown): void {
    if (this.#isClosing) return;
    this.#end();
    this.#settle.reject(error);
  }

  /**
   * Sends Terminate (Byte1 'X', Int32 4) and waits for the server to close. A socket destroyed
   * while bytes wait in it is reset, and the server then never reads our last status. A server that
   * is sending reads it only when somebody takes what it sends, hence the resume.
   */
  async #sayGoodbye(): Promise<void> {
    this.#isClosing = true;
    if (this.#pacer !== null) clearTimeout(this.#pacer);
    const socket = this.#connection?.stream;
    if (socket === undefined || socket.destroyed) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, GOODBYE_MS);
      socket.once("close", () => {
        clearTimeout(timer);
        resolve();
      });
      socket.resume();
      socket.end(Buffer.from([0x58, 0, 0, 0, 4]));
    });
  }

  #end(): void {
    this.#isClosing = true;
    if (this.#pacer !== null) clearTimeout(this.#pacer);
    this.#connection?.stream.destroy();
    this.#service.stop().catch(() => {}); // the socket is gone: nothing is left to go wrong
  }
}

function notStarted(): TidemarkError {
  return new TidemarkError(
    "LIVENESS",
    "The server did not begin the stream in time; the connection is made anew.",
  );
}

function serverEnded(): TidemarkError {
  return new TidemarkError(
    "SERVER_DRAINING",
    "The server ended the stream, as it does when it shuts down; it is read again when it is back.",
  );
}

function skipped(publication: string): TidemarkError {
  return new TidemarkError(
    "PUBLICATION_MISSING",
    `Changes were made while publication ${publication} did not exist, and the server leaves ` +
      "them out. Nothing after them was read. Run with --reset to start from nothing.",
    { detail: { publication } },
  );
}

/** Asks a replication connection whom it is connected to. */
export async function identifySystem(client: Client): Promise<SystemIdentity> {
  const { rows } = await client.query("IDENTIFY_SYSTEM");
  return {
    systemId: String(rows[0]?.systemid),
    timeline: Number(rows[0]?.timeline),
    walFlushLsn: String(rows[0]?.xlogpos),
  };
}

class StreamPlugin extends PgoutputPlugin {
  readonly #options: TransportOptions;
  readonly #attach: (client: Client) => void;

  constructor(options: TransportOptions, attach: (client: Client) => void) {
    super({ protoVersion: 1, publicationNames: [options.publication ?? ""] });
    this.#options = options;
    this.#attach = attach;
  }

  override parse(): never {
    assert(false, "the library sees no CopyData");
  }

  override async start(client: Client, slotName: string): Promise<never> {
    const startLsn = await this.#options.beforeStart(await identifySystem(client), client);
    this.#attach(client);
    const { publication, pluginOptions = { proto_version: "1" } } = this.#options;
    const named =
      publication === null ? {} : { publication_names: `"${publication.replaceAll('"', '""')}"` };
    const options = Object.entries({ ...pluginOptions, ...named }).map(
      ([option, value]) => `"${option}" '${value.replaceAll("'", "''")}'`,
    );
    const start = `START_REPLICATION SLOT "${slotName}" LOGICAL ${formatLsn(startLsn)}`;
    return (await client.query(`${start} (${options.join(", ")})`)) as never;
  }
}
