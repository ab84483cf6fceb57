import { type FileHandle, open, readdir } from "node:fs/promises";
import { join } from "node:path";
import { TidemarkError } from "../../core/errors.js";
import { formatLsn, type Lsn, ZERO_LSN } from "../../core/lsn.js";
import type { Position } from "../../core/position.js";
import { type RecordingManifest, readManifest, recordingFailed } from "./manifest.js";
import {
  openSegment,
  readBlock,
  requireContiguous,
  type Segment,
  segmentEnd,
  segmentName,
  segmentStart,
} from "./segment.js";

/** A piece of the stream, as it was recorded: whole CopyData messages. */
export interface RecordedPiece {
  readonly bytes: Uint8Array;
  /** Only its descriptions of relations are wanted: its changes lie before the range. */
  readonly isPreface: boolean;
}

/** Blocks that are read and unpacked beside the one that is being decoded. */
const READ_AHEAD = 4;

/**
 * A recording in its folder, to be read. It sees the segments that are there when it is opened; in
 * the newest one, what a writer appends later is not seen, and a torn end is left out, as is a
 * transaction of which it has only the beginning.
 */
export class Recording {
  readonly dir: string;
  readonly manifest: RecordingManifest;
  readonly #starts: readonly Lsn[];
  readonly #newest: Segment | null;

  /** `starts` are the segments' positions in order; `newest` is the last of them. */
  constructor(
    folder: Pick<Recording, "dir" | "manifest">,
    starts: readonly Lsn[],
    newest: Segment | null,
  ) {
    this.dir = folder.dir;
    this.manifest = folder.manifest;
    this.#starts = starts;
    this.#newest = newest === null ? null : withoutOpenEnd(newest);
  }

  /** Throws RECORDING_MISSING when the folder holds none. */
  static async open(dir: string): Promise<Recording> {
    const manifest = await readManifest(dir);
    if (manifest === null) {
      throw new TidemarkError(
        "RECORDING_MISSING",
        `There is no recording in ${dir}. Name the folder that tidemark record or run --record ` +
          "wrote to.",
      );
    }
    const starts = await segmentStarts(dir);
    const last = starts.at(-1);
    const newest = last === undefined ? null : await openSegment(pathOf(dir, last), true);
    if (newest === null) starts.pop();
    return new Recording({ dir, manifest }, starts, newest ?? (await previous(dir, starts)));
  }

  /** Whether nothing was recorded yet. */
  get isEmpty(): boolean {
    return this.#newest === null;
  }

  /** Everything after this position was recorded, up to `end`. */
  get startLsn(): Lsn {
    return this.#starts[0] ?? ZERO_LSN;
  }

  /** Where the recording ends, or null when it is empty. */
  get end(): Position | null {
    if (this.#newest === null) return null;
    const { systemId, timeline } = this.#newest.header;
    return { systemId, timeline, lsn: segmentEnd(this.#newest) };
  }

  /** The position behind the last transaction before the first one committed at or after `ms`. */
  async lsnAtTime(ms: number): Promise<Lsn> {
    for (let i = 0; i < this.#starts.length; i++) {
      const segment = await this.#segment(i);
      const block = segment.blocks.find(({ facts }) => facts.lastMs >= ms);
      if (block !== undefined) return block.facts.startLsn;
    }
    return this.end?.lsn ?? ZERO_LSN;
  }

  /**
   * The stream from a boundary at or before `from` on, in order, to the end. Throws RECORDING_RANGE
   * when the recording does not reach back to `from`, or not up to it.
   */
  async *pieces(from: Lsn): AsyncGenerator<RecordedPiece> {
    const first = this.#starts.findLastIndex((start) => start <= from);
    const end = this.end?.lsn ?? ZERO_LSN;
    if (first < 0 || from > end) throw this.#outOfRange(from);
    for (let i = first; i < this.#starts.length; i++) {
      const segment = await this.#segment(i);
      const begin = i === first ? firstBlock(segment, from) : 0;
      yield* readPieces(segment, begin);
      const next = this.#starts[i + 1];
      if (next !== undefined) requireContiguous(segmentEnd(segment), next);
    }
  }

  async #segment(index: number): Promise<Segment> {
    const start = this.#starts[index] as Lsn;
    if (this.#newest?.header.startLsn === start) return this.#newest;
    const path = pathOf(this.dir, start);
    const segment = await openSegment(path, false).catch((error: unknown) => {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      throw this.#outOfRange(start); // retention removed it since the folder was read
    });
    if (segment === null) throw this.#outOfRange(start);
    return segment;
  }

  #outOfRange(lsn: Lsn): TidemarkError {
    const end = this.end?.lsn ?? ZERO_LSN;
    return new TidemarkError(
      "RECORDING_RANGE",
      `The recording holds ${formatLsn(this.startLsn)} to ${formatLsn(end)}, and ` +
        `${formatLsn(lsn)} is not in it. Choose a position inside.`,
      { detail: { start: formatLsn(this.startLsn), end: formatLsn(end) } },
    );
  }
}

/** Start positions of the segments in a folder, in order. */
export async function segmentStarts(dir: string): Promise<Lsn[]> {
  const names = await readdir(dir).catch((error: unknown) => {
    throw recordingFailed(dir, error);
  });
  return names
    .map(segmentStart)
    .filter((start) => start !== null)
    .sort((a, b) => (a < b ? -1 : 1));
}

export function pathOf(dir: string, startLsn: Lsn): string {
  return join(dir, segmentName(startLsn));
}

async function previous(dir: string, starts: readonly Lsn[]): Promise<Segment | null> {
  const last = starts.at(-1);
  return last === undefined ? null : openSegment(pathOf(dir, last), false);
}

function withoutOpenEnd(segment: Segment): Segment {
  const last = segment.blocks.findLastIndex(({ facts }) => !facts.endsInside);
  return { ...segment, blocks: segment.blocks.slice(0, last + 1) };
}

/** The last block that begins between transactions at or before `from`. */
function firstBlock(segment: Segment, from: Lsn): number {
  return Math.max(
    0,
    segment.blocks.findLastIndex(({ facts }) => !facts.startsInside && facts.startLsn <= from),
  );
}

async function* readPieces(segment: Segment, begin: number): AsyncGenerator<RecordedPiece> {
  const { path, blocks } = segment;
  const wanted = blocks
    .map((block, i) => ({ block, isPreface: i < begin }))
    .filter(({ block, isPreface }) => !isPreface || block.facts.hasRelations);
  const file: FileHandle = await open(path, "r");
  const ahead: Promise<RecordedPiece>[] = [];
  try {
    for (let next = 0; next < wanted.length || ahead.length > 0; ) {
      for (; next < wanted.length && ahead.length < READ_AHEAD; next++) {
        const { block, isPreface } = wanted[next] as (typeof wanted)[number];
        const piece = readBlock(file, path, block).then((bytes) => ({ bytes, isPreface }));
        piece.catch(() => {}); // thrown where it is awaited, or of no interest any more
        ahead.push(piece);
      }
      yield await (ahead.shift() as Promise<RecordedPiece>);
    }
  } finally {
    await Promise.allSettled(ahead);
    await file.close();
  }
}
