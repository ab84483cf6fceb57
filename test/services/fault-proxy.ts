// A TCP proxy that misbehaves on demand, for the network rows of the fault table. It sits between
// Tidemark and one server; every connection through it is a link with two directions.
import { connect, createServer, type Server, type Socket } from "node:net";

/** `up` is from the client to the server. */
export type Direction = "up" | "down";

/** How a link ends: in order, or as after a crash of one side. */
export type Cut = "fin" | "rst";

/** One connection through the proxy. */
export interface Link {
  /** Bytes that arrived at the proxy. */
  readonly bytes: Readonly<Record<Direction, number>>;
  cut(how: Cut): void;
}

/**
 * Sees each chunk before it is passed on. What it returns is sent instead; null sends nothing, and
 * the peers notice nothing.
 */
export type Filter = (chunk: Buffer, direction: Direction, link: Link) => Buffer | null;

/** A throttled link passes pieces of this size, evenly. */
const DRIP_BYTES = 256;

const PASS: Filter = (chunk) => chunk;

/** A way for bytes, with the time at which the next ones may leave. */
interface Lane {
  freeAtMs: number;
}

export class FaultProxy {
  /** Applied to all links, those that exist included. */
  filter: Filter = PASS;
  /** Held back so long, in each direction. */
  delayMs = 0;
  /** At most so fast, in each direction; 0 is unlimited. */
  bytesPerSecond = 0;
  /** New connections are closed at once. */
  isRefusing = false;
  readonly #target: URL;
  readonly #server: Server;
  readonly #links = new Set<Link>();
  #made = 0;
  #isSilent = false;
  /** Sockets whose other side is gone and who have not been told. */
  readonly #widowed = new Set<Socket>();

  private constructor(target: URL, server: Server) {
    this.#target = target;
    this.#server = server;
  }

  /** A proxy before the server of `url`, any URL with host and port. */
  static async before(url: string): Promise<FaultProxy> {
    const server = createServer();
    const proxy = new FaultProxy(new URL(url), server);
    server.on("connection", (client) => proxy.#accept(client));
    await new Promise<void>((done) => {
      server.listen(0, "127.0.0.1", done);
    });
    return proxy;
  }

  /** The URL of the server, by way of the proxy. */
  get url(): string {
    const address = this.#server.address();
    const url = new URL(this.#target);
    url.host = `127.0.0.1:${typeof address === "object" ? address?.port : 0}`;
    return url.href;
  }

  /** Connections that are open. */
  get links(): readonly Link[] {
    return [...this.#links];
  }

  /** Connections made so far. */
  get made(): number {
    return this.#made;
  }

  /** Ends all links now. */
  cut(how: Cut): void {
    for (const link of this.links) link.cut(how);
  }

  /**
   * Half-open: swallows bytes, in one direction or both, until `pass`. In both, the end of one side
   * is not passed on either.
   */
  swallow(only?: Direction): void {
    this.#isSilent = only === undefined;
    this.filter = (chunk, direction) => (only === undefined || only === direction ? null : chunk);
  }

  /** No faults any more; what was swallowed stays lost, and links with one end are reset. */
  pass(): void {
    this.#isSilent = false;
    for (const socket of this.#widowed) socket.resetAndDestroy();
    this.#widowed.clear();
    this.filter = PASS;
    this.delayMs = 0;
    this.bytesPerSecond = 0;
    this.isRefusing = false;
  }

  /** Cuts the link that first sends a chunk like this, before the peer sees anything of it. */
  cutBefore(direction: Direction, isChosen: (chunk: Buffer) => boolean): Promise<void> {
    return new Promise((done) => {
      this.filter = (chunk, way, link) => {
        if (way !== direction || !isChosen(chunk)) return chunk;
        this.filter = PASS;
        link.cut("rst");
        done();
        return null;
      };
    });
  }

  /**
   * Lets the first request like this through, and cuts its link when the answer comes, which is
   * never passed on: the server has done what it was asked for, and the client does not know.
   */
  cutReplyTo(isChosen: (chunk: Buffer) => boolean): Promise<void> {
    return new Promise((done) => {
      let asked: Link | null = null;
      this.filter = (chunk, direction, link) => {
        if (asked === null && direction === "up" && isChosen(chunk)) asked = link;
        if (link !== asked || direction === "up") return chunk;
        this.filter = PASS;
        link.cut("rst");
        done();
        return null;
      };
    });
  }

  /** Flips all bits of byte `offset` of the first chunk like this. */
  corrupt(
    direction: Direction,
    isChosen: (chunk: Buffer) => boolean,
    offsetOf: (chunk: Buffer) => number,
  ): Promise<void> {
    return new Promise((done) => {
      this.filter = (chunk, way) => {
        if (way !== direction || !isChosen(chunk)) return chunk;
        this.filter = PASS;
        const offset = offsetOf(chunk);
        const bad = Buffer.from(chunk);
        bad[offset] = (bad[offset] ?? 0) ^ 0xff;
        done();
        return bad;
      };
    });
  }

  async close(): Promise<void> {
    this.pass();
    this.cut("rst");
    await new Promise((done) => this.#server.close(done));
  }

  #accept(client: Socket): void {
    this.#made++;
    if (this.isRefusing) {
      client.resetAndDestroy();
      return;
    }
    const server = connect(Number(this.#target.port), this.#target.hostname);
    const bytes = { up: 0, down: 0 };
    const link: Link = {
      bytes,
      cut: (how) => {
        this.#links.delete(link);
        for (const socket of [client, server]) {
          if (how === "rst") socket.resetAndDestroy();
          else socket.end();
        }
      },
    };
    this.#links.add(link);
    this.#pipe(client, server, (chunk) => {
      bytes.up += chunk.length;
      return this.filter(chunk, "up", link);
    });
    this.#pipe(server, client, (chunk) => {
      bytes.down += chunk.length;
      return this.filter(chunk, "down", link);
    });
    for (const [socket, other] of [
      [client, server],
      [server, client],
    ] as const) {
      socket.setNoDelay(true);
      socket.on("error", () => {}); // the peer's error is passed on by `close`
      socket.on("close", () => {
        this.#links.delete(link);
        if (this.#isSilent && !other.destroyed) this.#widowed.add(other);
        else other.destroy();
      });
    }
  }

  /** Back-pressure goes through: what the receiver does not take is not read from the sender. */
  #pipe(from: Socket, to: Socket, filter: (chunk: Buffer) => Buffer | null): void {
    const lane: Lane = { freeAtMs: 0 };
    from.on("data", (chunk: Buffer) => {
      const passed = filter(chunk);
      if (passed === null || to.destroyed) return;
      const pieceBytes = this.bytesPerSecond === 0 ? passed.length : DRIP_BYTES;
      let waitMs = 0;
      for (let at = 0; at < passed.length; at += pieceBytes) {
        const piece = passed.subarray(at, at + pieceBytes);
        waitMs = this.#waitMs(lane, piece.length);
        if (waitMs > 0) setTimeout(() => this.#send(from, to, piece), waitMs).unref();
        else this.#send(from, to, piece);
      }
      // Slow is slow for the sender, too: it fills no memory here.
      if (this.bytesPerSecond > 0) pauseFor(from, waitMs);
    });
    from.on("end", () => {
      if (!this.#isSilent) to.end();
    });
  }

  #waitMs(lane: Lane, length: number): number {
    const nowMs = performance.now();
    const costMs = this.bytesPerSecond === 0 ? 0 : (length / this.bytesPerSecond) * 1000;
    // Also after the faults are over nothing overtakes what is still on its way.
    lane.freeAtMs = Math.max(lane.freeAtMs, nowMs + this.delayMs) + costMs;
    return lane.freeAtMs - nowMs;
  }

  #send(from: Socket, to: Socket, chunk: Buffer): void {
    if (to.destroyed || to.write(chunk)) return;
    from.pause();
    to.once("drain", () => from.resume());
  }
}

function pauseFor(socket: Socket, ms: number): void {
  socket.pause();
  setTimeout(() => socket.resume(), ms).unref();
}
