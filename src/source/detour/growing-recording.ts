import { rm } from "node:fs/promises";
import { join } from "node:path";
import { TidemarkError } from "../../core/errors.js";
import type { Lsn } from "../../core/lsn.js";
import type { Position } from "../../core/position.js";
import { syncFolder } from "../recording/file-bytes.js";
import { readManifest, recordingFailed } from "../recording/manifest.js";
import { pathOf, type RecordedPiece, Recording, segmentStarts } from "../recording/recording.js";
import type { RecordingWriter } from "../recording/recording-writer.js";

/** The stream from a position on, until it is stopped. */
export interface GrowingPieces {
  readonly pieces: AsyncIterable<RecordedPiece>;
  /** Ends it, wherever it is. */
  stop(): void;
}

/** Beside the segments in the folder; the last of them makes it a recording. */
const OTHER_FILES = ["writer", "recording.json"];

/**
 * A recording that one side writes and another reads while it grows. Read is only what is durable,
 * whole transactions of it, and what was read for good is removed. Each connection to the server
 * has a writer of its own; between two of them the folder has everything.
 */
export class GrowingRecording {
  readonly dir: string;
  #writer: RecordingWriter | null = null;
  #diskBytes = 0;
  #wake: () => void = () => {};

  constructor(dir: string) {
    this.dir = dir;
  }

  /** From now on this one writes. */
  attach(writer: RecordingWriter): void {
    this.#writer = writer;
    writer.onDurable(() => this.#wake());
    this.#wake();
  }

  /** Bytes on disk, as far as is known. */
  get diskBytes(): number {
    if (this.#writer !== null) this.#diskBytes = this.#writer.diskBytes;
    return this.#diskBytes;
  }

  /** Where it begins and ends; null when it holds nothing. */
  async range(): Promise<{ readonly begin: Position; readonly end: Position } | null> {
    const view = await this.#view();
    const end = view?.end ?? null;
    if (view === null || end === null) return null;
    return { begin: { ...end, lsn: view.startLsn }, end };
  }

  /**
   * What was and will be recorded after `from`, in order. It ends only when it is stopped. One
   * reader at a time.
   */
  read(from: Lsn): GrowingPieces {
    let isStopped = false;
    const more = (): Promise<void> =>
      new Promise((resolve) => {
        this.#wake = resolve;
      });
    const follow = async function* (this: GrowingRecording): AsyncGenerator<RecordedPiece> {
      for (let at = from; !isStopped; ) {
        const grown = more(); // before the look, so that nothing is missed
        const view = await this.#view();
        const endLsn = view?.end?.lsn ?? at;
        if (view === null || endLsn <= at) {
          if (!isStopped) await grown;
          continue;
        }
        for await (const piece of view.pieces(at)) {
          if (isStopped) return;
          yield piece;
        }
        at = endLsn;
      }
    };
    return {
      pieces: follow.call(this),
      stop: () => {
        isStopped = true;
        this.#wake();
      },
    };
  }

  /** Removes finished segments up to a position. */
  async prune(readUpTo: Lsn): Promise<void> {
    if (this.#writer?.isClosed === false) await this.#writer.prune(readUpTo);
  }

  /** Removes everything, oldest first: a crash in between leaves a recording without a hole. */
  async remove(): Promise<void> {
    const { dir } = this;
    if ((await readManifest(dir)) === null) return;
    try {
      for (const start of await segmentStarts(dir)) {
        await rm(pathOf(dir, start));
        await syncFolder(dir);
      }
      for (const name of OTHER_FILES) await rm(join(dir, name), { force: true });
      await syncFolder(dir);
    } catch (error) {
      throw error instanceof TidemarkError ? error : recordingFailed(dir, error);
    }
    this.#writer = null;
    this.#diskBytes = 0;
  }

  /** What can be read now; null when there is nothing, or nothing at the moment. */
  async #view(): Promise<Recording | null> {
    const { dir } = this;
    const writer = this.#writer;
    try {
      if (writer?.isClosed === false) return await writer.view();
    } catch (error) {
      if (!(error instanceof TidemarkError)) throw error;
      // Whoever writes is told, and tries again; what is on disk is good until then.
    }
    if ((await readManifest(dir)) === null) return null;
    try {
      return await Recording.open(dir);
    } catch (error) {
      // The next writer is just removing a segment without content.
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return null;
      throw error;
    }
  }
}
