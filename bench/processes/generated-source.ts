// A change source without a server: it makes up inserts as pgoutput bytes, has the real decoder
// read them, and hands a batch over in each turn of the event loop, as fast as they are taken.
import { pgoutput } from "../../decoders/pgoutput/pgoutput-factory.js";
import type { CatalogTable } from "../../src/core/catalog.js";
import type { Position } from "../../src/core/position.js";
import type { ChangeSource, ChangeStream, StreamRequest } from "../../src/core/source.js";
import { busyMsSince, type Moment, now } from "./busy-time.js";
import type { Counted, Stretch } from "./order.js";

/** Rows of a transaction, which is a batch: about 50 kB, what a full read of a slot brings. */
const ROWS_PER_BATCH = 1000;
const RELATION_OID = 16_400;
const INT8_OID = 20;
const NUMERIC_OID = 1700;
/** Longer than any message of an insert here. */
const MAX_INSERT_BYTES = 64;
const POSTGRES_EPOCH_MS = 946_684_800_000;
/** Amounts are 0.00 to 99.99, by key. */
const AMOUNTS = 10_000;

export const TABLE = "public.events";

/** The generated stream, and the clock that watches how steadily it is taken. */
export class GeneratedSource implements ChangeSource {
  /** The key of the next row. */
  nextKey: () => number = () => 0;
  generatingMs = 0;
  onReport: (flush: bigint) => void = () => {};
  #fed: { rows: number; cents: number } = { rows: 0, cents: 0 };
  #stretch: Stretch = { wallMs: 0, busyMs: 0 };
  /** When the last batch was handed over, if the next one is awaited. */
  #handedOver: Moment | null = null;
  #waiting: { isReached: () => boolean; resolve: () => void }[] = [];

  /** Rows handed over so far. */
  get fed(): Counted {
    return { ...this.#fed };
  }

  /** The longest stretches since the last call. */
  takeStretch(): Stretch {
    const stretch = this.#stretch;
    this.#stretch = { wallMs: 0, busyMs: 0 };
    return stretch;
  }

  /** Resolves at the first batch before which `isReached` is true. */
  until(isReached: () => boolean): Promise<void> {
    return new Promise((resolve) => this.#waiting.push({ isReached, resolve }));
  }

  async describe(): Promise<CatalogTable[]> {
    const column = (name: string, typeOid: number, typeName: string) => {
      return { name, typeOid, typeName, isNotNull: true, codec: pgoutput.codecOf(typeOid) };
    };
    const columns = [
      column("id", INT8_OID, "bigint"),
      column("amount", NUMERIC_OID, "numeric(12,2)"),
    ];
    const named = { schema: "public", name: "events", qualifiedName: TABLE };
    return [{ ...named, replicaIdentity: "default", identityKey: [], columns }];
  }

  async open(request: StreamRequest): Promise<ChangeStream> {
    const known = (await request.readCheckpoint())?.position ?? null;
    if (known === null) await request.recordBirth();
    const position: Position = known ?? { systemId: "1", timeline: 1, lsn: 1_000n };
    return this.#stream(request, position);
  }

  async reset(): Promise<void> {}

  #stream({ handlers }: StreamRequest, position: Position): ChangeStream {
    const decoder = pgoutput.create();
    const relation = relationMessage();
    decoder.decode(relation, 0, relation.length);
    let { lsn } = position;
    let isReading = false;
    let isScheduled = false;
    let bytesReceived = 0;
    let end: { resolve: () => void; reject: (error: unknown) => void } | null = null;
    const closed = new Promise<void>((resolve, reject) => {
      end = { resolve, reject };
    });
    closed.catch(() => {}); // the session observes it
    const schedule = (): void => {
      if (isScheduled || !isReading) return;
      isScheduled = true;
      setImmediate(turn);
    };
    const turn = (): void => {
      isScheduled = false;
      if (!isReading) return;
      this.#observe();
      const beganMs = performance.now();
      const bytes = Buffer.allocUnsafe(ROWS_PER_BATCH * MAX_INSERT_BYTES);
      const ends = this.#fill(bytes, lsn);
      this.generatingMs += performance.now() - beganMs;
      lsn += BigInt(bytes.length);
      bytesReceived += ends.at(-1) ?? 0;
      this.#handedOver = now();
      try {
        let from = 0;
        for (const to of ends) {
          decoder.decode(bytes, from, to);
          from = to;
        }
        handlers.onBatch(decoder.take());
      } catch (error) {
        end?.reject(error);
        return;
      }
      schedule();
    };
    return {
      position,
      get bytesReceived() {
        return bytesReceived;
      },
      resume: () => {
        isReading = true;
        schedule();
      },
      pause: () => {
        isReading = false;
      },
      report: (flush) => this.onReport(flush),
      closed,
      close: async () => {
        isReading = false;
        this.#handedOver = null;
        decoder.close();
        end?.resolve();
      },
    };
  }

  /** The loop is ready for another batch; a pause that the pipeline asked for counts, too. */
  #observe(): void {
    const last = this.#handedOver;
    if (last !== null) {
      const { wallMs, busyMs } = this.#stretch;
      this.#stretch = {
        wallMs: Math.max(wallMs, performance.now() - last.atMs),
        busyMs: Math.max(busyMs, busyMsSince(last)),
      };
    }
    const reached = this.#waiting.filter(({ isReached }) => isReached());
    if (reached.length === 0) return;
    this.#waiting = this.#waiting.filter((waiting) => !reached.includes(waiting));
    for (const { resolve } of reached) resolve();
  }

  /** Writes a transaction; returns where each message ends. */
  #fill(bytes: Buffer, lsn: bigint): number[] {
    const commitLsn = lsn + BigInt(bytes.length) - 8n;
    const commitTime = BigInt(Date.now() - POSTGRES_EPOCH_MS) * 1000n;
    // Begin: tag, commit LSN, commit time, xid (manual, 54.9).
    let at = bytes.writeUInt8(0x42, 0);
    at = bytes.writeBigInt64BE(commitLsn, at);
    at = bytes.writeBigInt64BE(commitTime, at);
    at = bytes.writeUInt32BE(1, at);
    const ends = [at];
    for (let i = 0; i < ROWS_PER_BATCH; i++) {
      const key = this.nextKey();
      at = writeInsert(bytes, at, key);
      ends.push(at);
      this.#fed.cents += key % AMOUNTS;
    }
    this.#fed.rows += ROWS_PER_BATCH;
    // Commit: tag, flags, commit LSN, end LSN, commit time.
    at = bytes.writeUInt16BE(0x4300, at);
    at = bytes.writeBigInt64BE(commitLsn, at);
    at = bytes.writeBigInt64BE(commitLsn + 8n, at);
    at = bytes.writeBigInt64BE(commitTime, at);
    ends.push(at);
    return ends;
  }
}

function relationMessage(): Buffer {
  // Relation: tag, OID, schema, name, identity, then of each column flags, name, type, modifier.
  const head = Buffer.alloc(5);
  head.writeUInt8(0x52, 0);
  head.writeUInt32BE(RELATION_OID, 1);
  const columns = [
    ["id", INT8_OID],
    ["amount", NUMERIC_OID],
  ] as const;
  const parts = columns.map(([name, typeOid]) => {
    const type = Buffer.alloc(8);
    type.writeUInt32BE(typeOid, 0);
    type.writeInt32BE(-1, 4);
    return Buffer.concat([Buffer.from(`\0${name}\0`), type]);
  });
  const count = Buffer.from([0, columns.length]);
  return Buffer.concat([head, Buffer.from("public\0events\0d"), count, ...parts]);
}

/** Insert: tag, OID, "N", columns; each "t", length, text. Returns its end. */
function writeInsert(bytes: Buffer, start: number, key: number): number {
  const cents = key % AMOUNTS;
  let at = start;
  bytes[at++] = 0x49;
  at = bytes.writeUInt32BE(RELATION_OID, at);
  bytes[at++] = 0x4e;
  bytes[at++] = 0;
  bytes[at++] = 2;
  const keyLength = digitsOf(key);
  at = writeTextHead(bytes, at, keyLength);
  writeDigits(bytes, at, keyLength, key);
  at = writeTextHead(bytes, at + keyLength, 5);
  writeDigits(bytes, at, 2, Math.floor(cents / 100));
  bytes[at + 2] = 0x2e;
  writeDigits(bytes, at + 3, 2, cents % 100);
  return at + 5;
}

function writeTextHead(bytes: Buffer, at: number, length: number): number {
  bytes[at] = 0x74;
  bytes[at + 1] = 0;
  bytes[at + 2] = 0;
  bytes[at + 3] = 0;
  bytes[at + 4] = length;
  return at + 5;
}

function digitsOf(value: number): number {
  let digits = 1;
  for (let rest = value; rest >= 10; rest = Math.floor(rest / 10)) digits++;
  return digits;
}

function writeDigits(bytes: Buffer, start: number, length: number, value: number): void {
  let rest = value;
  for (let at = start + length - 1; at >= start; at--) {
    bytes[at] = 0x30 + (rest % 10);
    rest = Math.floor(rest / 10);
  }
}
