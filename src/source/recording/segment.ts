import { type FileHandle, open } from "node:fs/promises";
import { basename } from "node:path";
import { TidemarkError } from "../../core/errors.js";
import { formatLsn, type Lsn } from "../../core/lsn.js";
import { unpackBlock } from "./block-codec.js";
import { readAt } from "./file-bytes.js";
import {
  BLOCK_HEADER_BYTES,
  type BlockFacts,
  decodeBlockHeader,
  decodeSegmentHeader,
  decodeTrailer,
  isBlockIntact,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  TRAILER_BYTES,
} from "./segment-format.js";

/** A block and where it stands in its file. */
export interface SegmentBlock {
  readonly offset: number;
  readonly facts: BlockFacts;
}

/** What a segment file holds. */
export interface Segment {
  readonly path: string;
  readonly header: SegmentHeader;
  /** All intact blocks, without the footer. */
  readonly blocks: readonly SegmentBlock[];
  /** Whether it was finished; only the newest segment may not be. */
  readonly isSealed: boolean;
}

/** RECORDING_CORRUPT; `detail` has `file` and `offset`. */
export function corrupt(path: string, offset: number, problem: string): TidemarkError {
  const file = basename(path);
  return new TidemarkError(
    "RECORDING_CORRUPT",
    `The recording is damaged: ${problem} in ${file}, at byte ${offset}. Restore the file from a ` +
      "copy, or read a range that does not need it.",
    { detail: { file, offset } },
  );
}

/**
 * Reads what a segment holds. In the newest one (`isNewest`) a torn end is normal after a crash and
 * left out; anything else that is not as it was written is RECORDING_CORRUPT. Null when the newest
 * one has not even its header.
 */
export async function openSegment(path: string, isNewest: boolean): Promise<Segment | null> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    const header = decodeSegmentHeader(await readAt(file, 0, SEGMENT_HEADER_BYTES));
    if (header === null) {
      if (isNewest && size <= SEGMENT_HEADER_BYTES) return null;
      throw corrupt(path, 0, "a header that is none");
    }
    if (header.startLsn !== segmentStart(basename(path))) {
      throw corrupt(path, 0, "the header of another segment");
    }
    const blocks = await readFooter(file, size);
    if (blocks !== null) return { path, header, blocks, isSealed: true };
    if (!isNewest) throw corrupt(path, size, "no valid end");
    return { path, header, blocks: await walk(file, path, size), isSealed: false };
  } finally {
    await file.close();
  }
}

/** Up to here a segment holds whole transactions; its start when it holds none. */
export function segmentEnd(segment: Segment): Lsn {
  return segment.blocks.at(-1)?.facts.endLsn ?? segment.header.startLsn;
}

/** The bytes of a block, checked and unpacked: CopyData messages, whole. */
export async function readBlock(
  file: FileHandle,
  path: string,
  { offset, facts }: SegmentBlock,
): Promise<Uint8Array> {
  const bytes = await readAt(file, offset, BLOCK_HEADER_BYTES + facts.storedBytes);
  const stored = bytes.subarray(BLOCK_HEADER_BYTES);
  if (stored.length < facts.storedBytes) throw corrupt(path, offset, "a block that ends too early");
  if (!isBlockIntact(bytes, stored)) {
    throw corrupt(path, offset, "a block whose checksum is wrong");
  }
  const raw = await unpackBlock(facts.codec, stored, facts.rawBytes).catch(() => null);
  if (raw === null || raw.length !== facts.rawBytes) {
    throw corrupt(path, offset, "a block that cannot be unpacked");
  }
  return raw;
}

/** The name of the segment that begins at a position; names sort as positions do. */
export function segmentName(startLsn: Lsn): string {
  return `${startLsn.toString(16).toUpperCase().padStart(16, "0")}.segment`;
}

/** The position in a segment's name, or null for a file that is no segment. */
export function segmentStart(name: string): Lsn | null {
  const match = /^([0-9A-F]{16})\.segment$/.exec(name);
  return match === null ? null : BigInt(`0x${match[1]}`);
}

/** Throws RECORDING_GAP unless `next` begins where everything before it ended. */
export function requireContiguous(endLsn: Lsn, next: Lsn): void {
  if (endLsn === next) return;
  throw new TidemarkError(
    "RECORDING_GAP",
    `The recording has nothing between ${formatLsn(endLsn)} and ${formatLsn(next)}. Read a range ` +
      "on one side of the gap, or restore the segments that are missing.",
    { detail: { after: formatLsn(endLsn), before: formatLsn(next) } },
  );
}

/** The blocks by a sealed segment's footer, or null when it has no valid one. */
async function readFooter(file: FileHandle, size: number): Promise<SegmentBlock[] | null> {
  if (size < SEGMENT_HEADER_BYTES + BLOCK_HEADER_BYTES + TRAILER_BYTES) return null;
  const length = decodeTrailer(await readAt(file, size - TRAILER_BYTES, TRAILER_BYTES));
  if (length === null || length > size - SEGMENT_HEADER_BYTES) return null;
  const bytes = await readAt(file, size - length, length - TRAILER_BYTES);
  const footer = decodeBlockHeader(bytes);
  const headers = bytes.subarray(BLOCK_HEADER_BYTES);
  if (footer?.isFooter !== true || !isBlockIntact(bytes, headers)) return null;
  const blocks: SegmentBlock[] = [];
  let offset = SEGMENT_HEADER_BYTES;
  for (let at = 0; at < headers.length; at += BLOCK_HEADER_BYTES) {
    const facts = decodeBlockHeader(headers.subarray(at));
    if (facts === null) return null;
    blocks.push({ offset, facts });
    offset += BLOCK_HEADER_BYTES + facts.storedBytes;
  }
  return offset === size - length ? blocks : null;
}

/** The intact blocks from the first on. Throws when one that was made durable is damaged. */
async function walk(file: FileHandle, path: string, size: number): Promise<SegmentBlock[]> {
  const bytes = await readAt(file, 0, size);
  const blocks: SegmentBlock[] = [];
  let offset = SEGMENT_HEADER_BYTES;
  for (let facts = intactAt(bytes, offset); facts !== null; facts = intactAt(bytes, offset)) {
    if (facts.isFooter) return blocks;
    blocks.push({ offset, facts });
    offset += BLOCK_HEADER_BYTES + facts.storedBytes;
  }
  // What was written but not synced when a crash came may be there in parts. A block further on
  // that was written after a sync beyond this place proves that it is damage instead.
  for (let at = offset + 1; at + BLOCK_HEADER_BYTES <= size; at++) {
    if (bytes[at] !== 0x54) continue;
    const later = intactAt(bytes, at);
    if (later !== null && later.synced > offset) throw corrupt(path, offset, "a block");
  }
  return blocks;
}

function intactAt(bytes: Buffer, offset: number): BlockFacts | null {
  const header = bytes.subarray(offset, offset + BLOCK_HEADER_BYTES);
  const facts = decodeBlockHeader(header);
  if (facts === null) return null;
  const from = offset + BLOCK_HEADER_BYTES;
  const stored = bytes.subarray(from, from + facts.storedBytes);
  return stored.length === facts.storedBytes && isBlockIntact(header, stored) ? facts : null;
}
