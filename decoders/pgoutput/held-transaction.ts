import { assert } from "../../src/core/assert.js";
import type { SpillArea, SpillStore } from "../../src/core/spill.js";
import type { MessageReader } from "./reader.js";
import { type RelationVersion, RelationVersions } from "./relation-versions.js";
import { TAG } from "./tags.js";

// A record is a UInt32 length, the UInt32 id of the subtransaction and the message as protocol 1
// would have sent it, without the id that stream blocks put behind the tag. A Relation message is
// read when it arrives; its record is its tag and the UInt32 index of the version.

const HEADER = 8;
const FIRST_CHUNK = 4_096;
const MAX_CHUNK = 256 * 1024;

/** A stretch of whole records; in memory, or at an offset of the spill area. */
interface Chunk {
  bytes: Buffer | null;
  length: number;
  offset: number;
}

/**
 * The messages of one transaction that has not committed, in the order they came. They are copied
 * out of the socket's buffers into chunks of up to 256 KiB, which move to the spill area when the
 * decoder holds too much.
 */
export class HeldTransaction {
  readonly xid: number;
  /** Relation versions the transaction announced or uses, in the order of their records. */
  readonly relations: RelationVersion[] = [];
  /** Those that are valid where the transaction stands. */
  readonly versions: RelationVersions = new RelationVersions();
  /** Subtransactions that were rolled back: their records are passed over. */
  readonly aborted: Set<number> = new Set();
  /** Null until PREPARE TRANSACTION, then its identifier. */
  gid: string | null = null;
  /** Bytes of memory. */
  heldBytes = 0;
  readonly #chunks: Chunk[] = [];
  #area: SpillArea | null = null;
  #spilledBytes = 0;

  constructor(xid: number) {
    this.xid = xid;
  }

  get chunkCount(): number {
    return this.#chunks.length;
  }

  /** Copies the message that `reader` stands in: its tag and all from the cursor on. */
  append(subxid: number, reader: MessageReader): void {
    const { bytes, at: start, end } = reader;
    const length = 1 + end - start;
    const chunk = this.#room(HEADER + length);
    const { bytes: to, length: at } = chunk;
    assert(to !== null, "the chunk that is written is in memory");
    to.writeUInt32BE(length, at);
    to.writeUInt32BE(subxid, at + 4);
    to[at + HEADER] = reader.tag;
    to.set(bytes.subarray(start, end), at + HEADER + 1);
    chunk.length = at + HEADER + length;
  }

  /** Notes that the rows from here on have this shape. */
  use(version: RelationVersion): void {
    const chunk = this.#room(HEADER + 5);
    const { bytes: to, length: at } = chunk;
    assert(to !== null, "the chunk that is written is in memory");
    to.writeUInt32BE(5, at);
    to.writeUInt32BE(this.xid, at + 4);
    to[at + HEADER] = TAG.relation;
    to.writeUInt32BE(this.relations.push(version) - 1, at + HEADER + 1);
    this.versions.set(version);
    chunk.length = at + HEADER + 5;
  }

  /** Moves all that is in memory to the spill area. */
  spill(store: SpillStore): void {
    this.#area ??= store.open();
    for (const chunk of this.#chunks) {
      if (chunk.bytes === null) continue;
      this.#area.append(chunk.bytes.subarray(0, chunk.length));
      chunk.offset = this.#spilledBytes;
      this.#spilledBytes += chunk.length;
      chunk.bytes = null;
    }
    this.heldBytes = 0;
  }

  /** The records of a chunk, in a buffer that is the caller's from then on. */
  takeChunk(index: number): Uint8Array {
    const chunk = this.#chunks[index];
    assert(chunk !== undefined, "a chunk that is taken was filled");
    const { bytes, offset, length } = chunk;
    if (bytes === null) return this.#area?.read(offset, length) ?? new Uint8Array(0);
    chunk.bytes = null;
    this.heldBytes -= bytes.length;
    return bytes.subarray(0, length);
  }

  close(): void {
    this.#area?.close();
    this.#chunks.length = 0;
    this.heldBytes = 0;
  }

  #room(length: number): Chunk {
    const last = this.#chunks.at(-1);
    if (last?.bytes != null && last.length + length <= last.bytes.length) return last;
    const size = Math.min(MAX_CHUNK, 2 * (last?.bytes?.length ?? FIRST_CHUNK / 2));
    const bytes = Buffer.allocUnsafeSlow(Math.max(size, length));
    const chunk = { bytes, length: 0, offset: 0 };
    this.#chunks.push(chunk);
    this.heldBytes += bytes.length;
    return chunk;
  }
}

/** A record's parts, for whoever walks a chunk. */
export interface HeldRecord {
  subxid: number;
  start: number;
  end: number;
}

/** Reads the record at `at` into `record`. */
export function readRecord(bytes: Uint8Array, at: number, record: HeldRecord): void {
  const chunk = bytes as Buffer;
  record.subxid = chunk.readUInt32BE(at + 4);
  record.start = at + HEADER;
  record.end = record.start + chunk.readUInt32BE(at);
}
