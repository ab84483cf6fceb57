import { type FileHandle, open, rm } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Lsn } from "../../core/lsn.js";
import { readAt, replaceFile, syncFolder, writeAt } from "./file-bytes.js";
import { type Segment, type SegmentBlock, segmentName } from "./segment.js";
import {
  BLOCK_HEADER_BYTES,
  type BlockFacts,
  encodeBlockHeader,
  encodeSegmentHeader,
  encodeTrailer,
  SEGMENT_HEADER_BYTES,
  type SegmentHeader,
  TRAILER_BYTES,
} from "./segment-format.js";

/** What a block's writer decides; lengths and what is synced are the segment's business. */
export type BlockContent = Omit<BlockFacts, "isFooter" | "storedBytes" | "synced">;

/**
 * One segment file while it is written. Calls must not overlap. Nothing is durable before `sync`,
 * and no file is ever written to again once it is sealed or another process has taken over: a
 * frozen recorder that wakes up then writes into a file that nobody sees any more.
 */
export class SegmentWriter {
  readonly path: string;
  readonly header: SegmentHeader;
  readonly #file: FileHandle;
  readonly #headers: Buffer[] = [];
  readonly #blocks: SegmentBlock[] = [];
  #bytes = SEGMENT_HEADER_BYTES;
  #synced = 0;

  private constructor(file: FileHandle, path: string, header: SegmentHeader) {
    this.#file = file;
    this.path = path;
    this.header = header;
  }

  /** Makes the file, which must not exist. */
  static async create(dir: string, header: SegmentHeader): Promise<SegmentWriter> {
    const path = join(dir, segmentName(header.startLsn));
    const file = await open(path, "wx+", 0o600);
    await writeAt(file, 0, encodeSegmentHeader(header));
    await syncFolder(dir);
    return new SegmentWriter(file, path, header);
  }

  /** Bytes written so far. */
  get bytes(): number {
    return this.#bytes;
  }

  get blocks(): readonly SegmentBlock[] {
    return this.#blocks;
  }

  /** Whether it leads beyond where it began; descriptions of relations alone do not. */
  get holdsAnything(): boolean {
    return this.#blocks.some(({ facts }) => facts.endLsn > this.header.startLsn);
  }

  async append(content: BlockContent, stored: Uint8Array): Promise<void> {
    const facts: BlockFacts = {
      ...content,
      isFooter: false,
      storedBytes: stored.length,
      synced: this.#synced,
    };
    const header = encodeBlockHeader(facts, stored);
    await writeAt(this.#file, this.#bytes, header);
    await writeAt(this.#file, this.#bytes + BLOCK_HEADER_BYTES, stored);
    this.#headers.push(header);
    this.#blocks.push({ offset: this.#bytes, facts });
    this.#bytes += BLOCK_HEADER_BYTES + stored.length;
  }

  /** Resolves when everything appended is on disk. */
  async sync(): Promise<void> {
    if (this.#synced === this.#bytes) return;
    await this.#file.datasync();
    this.#synced = this.#bytes;
  }

  /** Writes the footer, makes all durable and closes. A segment that holds nothing is removed. */
  async seal(): Promise<void> {
    await this.#dropOpenTransaction();
    if (this.holdsAnything) {
      await this.sync(); // so that a valid footer proves all before it
      await writeAt(this.#file, this.#bytes, encodeFooter(this.#headers, this.#bytes));
      await this.#file.sync();
    } else {
      await rm(this.path);
    }
    await this.#file.close();
  }

  /** Closes without a word: what a crash would leave. */
  async abandon(): Promise<void> {
    await this.#file.close();
  }

  /** Removes the pieces of a transaction whose end never came: the server sends it again. */
  async #dropOpenTransaction(): Promise<void> {
    if (this.#blocks.at(-1)?.facts.endsInside !== true) return;
    while (this.#blocks.at(-1)?.facts.endsInside === true) {
      const { offset } = this.#blocks.pop() as SegmentBlock;
      this.#headers.pop();
      this.#bytes = offset;
    }
    this.#synced = Math.min(this.#synced, this.#bytes);
    await this.#file.truncate(this.#bytes);
  }
}

/**
 * Cuts the torn end of a segment that a crash left: what is whole goes into a new, sealed file that
 * takes the old one's place. A segment that then holds nothing is removed. Returns the position up
 * to which it holds everything.
 */
export async function repairSegment(segment: Segment): Promise<Lsn> {
  const { path, header } = segment;
  const last = segment.blocks.findLastIndex(({ facts }) => !facts.endsInside);
  const kept = segment.blocks[last];
  const dir = dirname(path);
  if (kept === undefined || kept.facts.endLsn === header.startLsn) {
    await rm(path);
    await syncFolder(dir);
    return header.startLsn;
  }
  const file = await open(path, "r");
  const bytes = await readAt(
    file,
    0,
    kept.offset + BLOCK_HEADER_BYTES + kept.facts.storedBytes,
  ).finally(() => file.close());
  const headers = segment.blocks
    .slice(0, last + 1)
    .map(({ offset }) => bytes.subarray(offset, offset + BLOCK_HEADER_BYTES));
  await replaceFile(path, Buffer.concat([bytes, encodeFooter(headers, bytes.length)]));
  return kept.facts.endLsn;
}

function encodeFooter(headers: readonly Buffer[], synced: number): Buffer {
  const index = Buffer.concat(headers);
  const footer: BlockFacts = {
    isFooter: true,
    codec: "none",
    startsInside: false,
    endsInside: false,
    hasRelations: false,
    rawBytes: index.length,
    storedBytes: index.length,
    startLsn: 0n,
    endLsn: 0n,
    firstMs: Number.NaN,
    lastMs: Number.NaN,
    transactions: 0,
    synced,
  };
  const length = BLOCK_HEADER_BYTES + index.length + TRAILER_BYTES;
  return Buffer.concat([encodeBlockHeader(footer, index), index, encodeTrailer(length)]);
}
