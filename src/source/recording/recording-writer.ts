import { rm, stat } from "node:fs/promises";
import { TidemarkError } from "../../core/errors.js";
import { formatLsn, type Lsn, ZERO_LSN } from "../../core/lsn.js";
import type { Position } from "../../core/position.js";
import { packBlock } from "./block-codec.js";
import { claimFolder, type FolderClaim } from "./folder-claim.js";
import {
  type RecordingManifest,
  readManifest,
  recordingFailed,
  writeManifest,
} from "./manifest.js";
import { pathOf, Recording, segmentStarts } from "./recording.js";
import { openSegment, segmentEnd } from "./segment.js";
import type { BlockCodec } from "./segment-format.js";
import { type BlockContent, repairSegment, SegmentWriter } from "./segment-writer.js";

/** Settings of a recording that is written. */
export interface RecordingOptions {
  readonly dir: string;
  readonly codec: BlockCodec;
  /** A segment that has reached this many bytes is followed by another one. */
  readonly segmentBytes: number;
  /** Bytes a block has before it is packed. */
  readonly blockBytes: number;
  /** The oldest segments are removed beyond this many bytes on disk; null keeps all. */
  readonly maxBytes: number | null;
  /** Segments are removed this many milliseconds after they were finished; null keeps all. */
  readonly maxAgeMs: number | null;
}

/** A block on its way to the file. */
export interface FullBlock extends Omit<BlockContent, "codec" | "rawBytes"> {
  readonly raw: Uint8Array;
  /** CopyData messages that describe the relations known where the block begins. */
  readonly relations: readonly Uint8Array[];
}

interface OldSegment {
  readonly path: string;
  readonly startLsn: Lsn;
  readonly bytes: number;
  /** When it was finished, by the wall clock. */
  readonly sealedMs: number;
}

/** Raw bytes that may wait for the disk. */
const MAX_PENDING_BYTES = 16 * 2 ** 20;

/**
 * Puts blocks into segment files: packs them beside the caller, writes them in order, begins a new
 * segment where one is full, and removes the oldest where the limits say so. The first failure is
 * final; what was durable before stays readable.
 */
export class RecordingWriter {
  readonly options: RecordingOptions;
  readonly #manifest: RecordingManifest;
  readonly #claim: FolderClaim;
  #old: OldSegment[] = [];
  #segment: SegmentWriter | null = null;
  #source: Pick<Position, "systemId" | "timeline"> | null;
  #endLsn: Lsn | null;
  #durableLsn: Lsn | null;
  #durableBlocks = 0;
  #pendingBytes = 0;
  #work: Promise<void> = Promise.resolve();
  #failure: TidemarkError | null = null;
  #isClosed = false;
  #onRoom: () => void = () => {};
  #onDurable: () => void = () => {};

  private constructor(
    options: RecordingOptions,
    manifest: RecordingManifest,
    start: { readonly claim: FolderClaim; readonly end: Position | null },
  ) {
    const { claim, end } = start;
    this.options = options;
    this.#manifest = manifest;
    this.#claim = claim;
    this.#source = end;
    this.#endLsn = end?.lsn ?? null;
    this.#durableLsn = this.#endLsn;
  }

  /**
   * Opens the recording in the folder, or begins one there. Cuts a torn end. Throws
   * RECORDING_FOREIGN when the folder holds a recording of another publication or plugin.
   */
  static async open(
    options: RecordingOptions,
    content: Omit<RecordingManifest, "format">,
  ): Promise<RecordingWriter> {
    const { dir } = options;
    const manifest: RecordingManifest = { format: 1, ...content };
    const found = await readManifest(dir);
    for (const name of ["plugin", "publication"] as const) {
      if (found !== null && found[name] !== manifest[name]) {
        throw foreign(dir, `${name} ${found[name]}`);
      }
    }
    await writeManifest(dir, manifest);
    try {
      const claim = await claimFolder(dir);
      const end = await repairNewest(dir);
      const writer = new RecordingWriter(options, manifest, { claim, end });
      writer.#old = await Promise.all(
        (await segmentStarts(dir)).map((lsn) => oldSegment(dir, lsn)),
      );
      return writer;
    } catch (error) {
      throw asFailure(dir, error);
    }
  }

  /** Where it ends with all that was handed over; null when nothing is recorded and none begun. */
  get endLsn(): Lsn | null {
    return this.#endLsn;
  }

  /** Everything up to here is on disk. */
  get durableLsn(): Lsn | null {
    return this.#durableLsn;
  }

  /** Whether so much waits for the disk that the caller has to stop. */
  get isFull(): boolean {
    return this.#pendingBytes > MAX_PENDING_BYTES;
  }

  /** Bytes of all segments on disk. */
  get diskBytes(): number {
    return sum(this.#old) + (this.#segment?.bytes ?? 0);
  }

  /** Whether nothing is appended any more; the folder then has all there is. */
  get isClosed(): boolean {
    return this.#isClosed;
  }

  /** Calls back when more has become durable, and at the end. */
  onDurable(callback: () => void): void {
    this.#onDurable = callback;
  }

  /** Calls back whenever `isFull` has become false again. */
  onRoom(callback: () => void): void {
    this.#onRoom = callback;
  }

  /**
   * Says where the stream comes from that is appended from now on, and where an empty recording
   * begins; what lies before `reachableLsn` can no longer be had. Throws RECORDING_FOREIGN for
   * another cluster, and RECORDING_GAP when the recording ends before what can be had.
   */
  begin(position: Position, reachableLsn: Lsn): void {
    this.#throwFailure();
    const source = this.#source;
    const { dir } = this.options;
    if (source !== null && source.systemId !== position.systemId) {
      throw foreign(dir, `the server with system identifier ${source.systemId}`);
    }
    if (this.#endLsn !== null && reachableLsn > this.#endLsn) {
      throw gap(dir, this.#endLsn, reachableLsn);
    }
    this.#source = position;
    this.#endLsn ??= position.lsn;
    this.#durableLsn ??= position.lsn;
  }

  /** Takes over a block that follows all before it. Throws what an earlier write failed with. */
  append(block: FullBlock): void {
    this.#throwFailure();
    this.#endLsn = block.endLsn;
    this.#pendingBytes += block.raw.length;
    const packed = packBlock(this.options.codec, block.raw);
    packed.catch(() => {}); // awaited in its turn
    const source = this.#source as Position;
    void this.#then(async () => {
      await this.#place(block, source);
      await this.#segment?.append(this.#content(block), await packed);
      const wasFull = this.isFull;
      this.#pendingBytes -= block.raw.length;
      if (wasFull && !this.isFull) this.#onRoom();
    });
  }

  /** Makes what was appended durable. Rejects with the first failure. */
  async sync(): Promise<void> {
    const end = this.#endLsn;
    await this.#then(async () => {
      await this.#segment?.sync();
      this.#durableBlocks = this.#segment?.blocks.length ?? 0;
      this.#durableLsn = end;
    });
    this.#throwFailure();
    this.#onDurable();
  }

  /** The recording as far as it is durable now, to be read while it grows. */
  async view(): Promise<Recording> {
    let view: Recording | null = null;
    await this.#then(async () => {
      const { dir } = this.options;
      const segment = this.#segment;
      if (segment === null) {
        view = await Recording.open(dir);
        return;
      }
      const { path, header } = segment;
      const blocks = segment.blocks.slice(0, this.#durableBlocks);
      const starts = [...this.#old.map(({ startLsn }) => startLsn), header.startLsn];
      const newest = { path, header, blocks, isSealed: false };
      view = new Recording({ dir, manifest: this.#manifest }, starts, newest);
    });
    this.#throwFailure();
    return view as unknown as Recording;
  }

  /** Removes finished segments that end at or before `readUpTo`. */
  async prune(readUpTo: Lsn): Promise<void> {
    await this.#then(() => this.#removeOld(readUpTo));
    this.#throwFailure();
  }

  /** Makes all durable and ends the segment. Rejects with the first failure. */
  async close(): Promise<void> {
    await this.#then(() => this.#seal());
    await this.#segment?.abandon();
    this.#segment = null;
    this.#isClosed = true;
    this.#onDurable();
    this.#throwFailure();
  }

  /** A segment for the block: the current one, or a new one that begins with the relations. */
  async #place(block: FullBlock, source: Pick<Position, "systemId" | "timeline">): Promise<void> {
    const { dir, segmentBytes } = this.options;
    const current = this.#segment;
    if (!block.startsInside && current !== null) {
      const isFull = current.bytes >= segmentBytes;
      if (isFull || current.header.timeline !== source.timeline) await this.#seal();
    }
    if (this.#segment !== null) return;
    await this.#claim.check();
    const { systemId, timeline } = source;
    const header = { systemId, timeline, startLsn: block.startLsn };
    this.#segment = await SegmentWriter.create(dir, header);
    this.#durableBlocks = 0;
    await this.#removeOld(ZERO_LSN);
    if (block.relations.length === 0) return;
    const raw = Buffer.concat(block.relations);
    const preface: FullBlock = {
      ...block,
      raw,
      startsInside: false,
      endsInside: false,
      hasRelations: true,
      endLsn: block.startLsn,
      firstMs: Number.NaN,
      lastMs: Number.NaN,
      transactions: 0,
    };
    await this.#segment.append(this.#content(preface), await packBlock(this.options.codec, raw));
  }

  #content({ raw, relations: _, ...facts }: FullBlock): BlockContent {
    return { ...facts, codec: this.options.codec, rawBytes: raw.length };
  }

  async #seal(): Promise<void> {
    const segment = this.#segment;
    if (segment === null) return;
    const isKept = segment.blocks.some(({ facts }) => !facts.endsInside) && segment.holdsAnything;
    await segment.seal();
    this.#segment = null;
    if (isKept) this.#old.push(await oldSegment(this.options.dir, segment.header.startLsn));
  }

  /** What was read up to here goes, and what the limits do not allow. */
  async #removeOld(readUpTo: Lsn): Promise<void> {
    const { maxBytes, maxAgeMs } = this.options;
    const oldest = maxAgeMs === null ? 0 : Date.now() - maxAgeMs;
    for (;;) {
      const [first, second] = this.#old;
      if (first === undefined) return;
      const endLsn = second?.startLsn ?? this.#segment?.header.startLsn ?? null;
      const isRead = endLsn !== null && endLsn <= readUpTo;
      const isTooMuch = maxBytes !== null && this.diskBytes > maxBytes;
      if (!isRead && !isTooMuch && first.sealedMs >= oldest) return;
      await rm(first.path);
      this.#old.shift();
    }
  }

  /** Runs `action` after all before it; after a failure nothing runs any more. Never rejects. */
  #then(action: () => Promise<void>): Promise<void> {
    this.#work = this.#work.then(async () => {
      if (this.#failure !== null) return;
      try {
        await action();
      } catch (error) {
        this.#failure = asFailure(this.options.dir, error);
        this.#onRoom();
      }
    });
    return this.#work;
  }

  #throwFailure(): void {
    if (this.#failure !== null) throw this.#failure;
  }
}

/** Cuts what a crash left torn; returns the recording's end, or null when it is empty. */
async function repairNewest(dir: string): Promise<Position | null> {
  for (const starts = await segmentStarts(dir); ; ) {
    const start = starts.pop();
    if (start === undefined) return null;
    const path = pathOf(dir, start);
    const segment = await openSegment(path, true);
    if (segment === null) {
      await rm(path);
      continue;
    }
    const { systemId, timeline } = segment.header;
    const lsn = segment.isSealed ? segmentEnd(segment) : await repairSegment(segment);
    if (lsn > start || starts.length === 0) return { systemId, timeline, lsn };
  }
}

async function oldSegment(dir: string, startLsn: Lsn): Promise<OldSegment> {
  const path = pathOf(dir, startLsn);
  const { size, mtimeMs } = await stat(path);
  return { path, startLsn, bytes: size, sealedMs: mtimeMs };
}

function sum(segments: readonly OldSegment[]): number {
  return segments.reduce((total, { bytes }) => total + bytes, 0);
}

function asFailure(dir: string, error: unknown): TidemarkError {
  return error instanceof TidemarkError ? error : recordingFailed(dir, error);
}

function foreign(dir: string, what: string): TidemarkError {
  return new TidemarkError(
    "RECORDING_FOREIGN",
    `The folder ${dir} holds a recording of ${what}, which is not what is to be recorded now. ` +
      "Choose another folder.",
    { detail: { dir } },
  );
}

function gap(dir: string, endLsn: Lsn, from: Lsn): TidemarkError {
  return new TidemarkError(
    "RECORDING_GAP",
    `The recording in ${dir} ends at ${formatLsn(endLsn)}, but the slot goes on at ` +
      `${formatLsn(from)}: what lies between cannot be recorded any more. Record into another ` +
      "folder.",
    { detail: { after: formatLsn(endLsn), before: formatLsn(from) } },
  );
}
