import { crc32 } from "node:zlib";
import type { Lsn } from "../../core/lsn.js";

// A segment file is a header, blocks, and, once it is sealed, a footer. All integers are
// big-endian, as in the protocol.
//
//   header  "TIDEREC1", UInt32 timeline, UInt32 0, UInt64 start LSN, UInt64 system identifier,
//           UInt32 checksum
//   block   "TBLK", Byte1 kind, Byte1 codec, Byte1 flags, Byte1 0, UInt32 bytes, UInt32 stored
//           bytes, UInt64 start LSN, UInt64 end LSN, Float64 first and Float64 last commit time,
//           UInt32 transactions, UInt64 synced, UInt32 checksum, stored bytes
//   footer  a block whose bytes are the headers of all blocks, then "TEND", UInt32 bytes of it all
//
// What a block holds is a piece of the replication stream as it came: CopyData messages with
// XLogData, and keepalives where the position or the clock mattered. It holds either whole
// transactions or a piece of one that is larger than a block, so that cutting a file behind a whole
// block never halves what one sync made durable.

const SEGMENT_MAGIC = Buffer.from("TIDEREC1", "latin1");
const BLOCK_MAGIC = 0x54_42_4c_4b; // TBLK
const END_MAGIC = 0x54_45_4e_44; // TEND
const CHECKSUM_BYTES = 4;

export const SEGMENT_HEADER_BYTES = 36;
export const BLOCK_HEADER_BYTES = 64;
export const TRAILER_BYTES = 8;

const KIND = { changes: 1, footer: 2 } as const;
const FLAG = { startsInside: 1, endsInside: 2, hasRelations: 4 } as const;

/** How the bytes of a block are stored. */
export type BlockCodec = "none" | "deflate";
const CODECS: readonly BlockCodec[] = ["none", "deflate"];

/** What every segment says of itself. */
export interface SegmentHeader {
  readonly systemId: string;
  readonly timeline: number;
  /** Everything up to here is in earlier segments, or was before the recording began. */
  readonly startLsn: Lsn;
}

/** What is known of a block without reading it. Times are milliseconds since the Unix epoch. */
export interface BlockFacts {
  readonly isFooter: boolean;
  readonly codec: BlockCodec;
  /** It goes on with a transaction that an earlier block began. */
  readonly startsInside: boolean;
  /** Its last transaction goes on in the next block. */
  readonly endsInside: boolean;
  /** It holds descriptions of relations that later blocks need. */
  readonly hasRelations: boolean;
  readonly rawBytes: number;
  readonly storedBytes: number;
  /** Everything up to here lies before the block. */
  readonly startLsn: Lsn;
  /** Everything up to here lies in it or before it; of a piece, its own `startLsn`. */
  readonly endLsn: Lsn;
  /** Commit times, NaN when nothing commits here. `lastMs` is the greatest. */
  readonly firstMs: number;
  readonly lastMs: number;
  readonly transactions: number;
  /** Bytes of the file that were on disk for sure when the block was written. */
  readonly synced: number;
}

export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  const bytes = Buffer.alloc(SEGMENT_HEADER_BYTES);
  SEGMENT_MAGIC.copy(bytes);
  bytes.writeUInt32BE(header.timeline, 8);
  bytes.writeBigUInt64BE(header.startLsn, 16);
  bytes.writeBigUInt64BE(BigInt(header.systemId), 24);
  bytes.writeUInt32BE(crc32(bytes.subarray(0, 32)), 32);
  return bytes;
}

/** Null when the bytes are no header. */
export function decodeSegmentHeader(bytes: Buffer): SegmentHeader | null {
  const isHeader =
    bytes.length >= SEGMENT_HEADER_BYTES &&
    bytes.subarray(0, 8).equals(SEGMENT_MAGIC) &&
    bytes.readUInt32BE(32) === crc32(bytes.subarray(0, 32));
  if (!isHeader) return null;
  return {
    timeline: bytes.readUInt32BE(8),
    startLsn: bytes.readBigUInt64BE(16),
    systemId: String(bytes.readBigUInt64BE(24)),
  };
}

/** The header that goes before `stored`. */
export function encodeBlockHeader(facts: BlockFacts, stored: Uint8Array): Buffer {
  const bytes = Buffer.alloc(BLOCK_HEADER_BYTES);
  bytes.writeUInt32BE(BLOCK_MAGIC, 0);
  bytes[4] = facts.isFooter ? KIND.footer : KIND.changes;
  bytes[5] = CODECS.indexOf(facts.codec);
  bytes[6] =
    (facts.startsInside ? FLAG.startsInside : 0) |
    (facts.endsInside ? FLAG.endsInside : 0) |
    (facts.hasRelations ? FLAG.hasRelations : 0);
  bytes.writeUInt32BE(facts.rawBytes, 8);
  bytes.writeUInt32BE(facts.storedBytes, 12);
  bytes.writeBigUInt64BE(facts.startLsn, 16);
  bytes.writeBigUInt64BE(facts.endLsn, 24);
  bytes.writeDoubleBE(facts.firstMs, 32);
  bytes.writeDoubleBE(facts.lastMs, 40);
  bytes.writeUInt32BE(facts.transactions, 48);
  bytes.writeBigUInt64BE(BigInt(facts.synced), 52);
  bytes.writeUInt32BE(checksum(bytes, stored), BLOCK_HEADER_BYTES - CHECKSUM_BYTES);
  return bytes;
}

/** Reads a header at the start of `bytes`, checksum aside; null when there is none. */
export function decodeBlockHeader(bytes: Buffer): BlockFacts | null {
  if (bytes.length < BLOCK_HEADER_BYTES || bytes.readUInt32BE(0) !== BLOCK_MAGIC) return null;
  const codec = CODECS[bytes[5] as number];
  const kind = bytes[4];
  if (codec === undefined || (kind !== KIND.changes && kind !== KIND.footer)) return null;
  const flags = bytes[6] as number;
  return {
    isFooter: kind === KIND.footer,
    codec,
    startsInside: (flags & FLAG.startsInside) !== 0,
    endsInside: (flags & FLAG.endsInside) !== 0,
    hasRelations: (flags & FLAG.hasRelations) !== 0,
    rawBytes: bytes.readUInt32BE(8),
    storedBytes: bytes.readUInt32BE(12),
    startLsn: bytes.readBigUInt64BE(16),
    endLsn: bytes.readBigUInt64BE(24),
    firstMs: bytes.readDoubleBE(32),
    lastMs: bytes.readDoubleBE(40),
    transactions: bytes.readUInt32BE(48),
    synced: Number(bytes.readBigUInt64BE(52)),
  };
}

/** Whether header and stored bytes are as they were written. */
export function isBlockIntact(header: Uint8Array, stored: Uint8Array): boolean {
  const view = Buffer.from(header.buffer, header.byteOffset, BLOCK_HEADER_BYTES);
  return view.readUInt32BE(BLOCK_HEADER_BYTES - CHECKSUM_BYTES) === checksum(view, stored);
}

/** What follows the footer's headers: its mark, and how far the footer reaches back. */
export function encodeTrailer(footerBytes: number): Buffer {
  const bytes = Buffer.alloc(TRAILER_BYTES);
  bytes.writeUInt32BE(END_MAGIC, 0);
  bytes.writeUInt32BE(footerBytes, 4);
  return bytes;
}

/** Bytes of the footer that ends with this trailer, both included; null when it is no trailer. */
export function decodeTrailer(bytes: Buffer): number | null {
  if (bytes.length !== TRAILER_BYTES || bytes.readUInt32BE(0) !== END_MAGIC) return null;
  return bytes.readUInt32BE(4);
}

function checksum(header: Buffer, stored: Uint8Array): number {
  return crc32(stored, crc32(header.subarray(0, BLOCK_HEADER_BYTES - CHECKSUM_BYTES)));
}
