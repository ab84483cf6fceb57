import type { CatalogTable } from "../../core/catalog.js";
import type { DecoderFactory } from "../../core/decoder.js";
import { TidemarkError } from "../../core/errors.js";
import type { Lsn } from "../../core/lsn.js";
import type { ChangeSource, ChangeStream, StreamRequest } from "../../core/source.js";
import { catalogOf, type RecordingManifest } from "./manifest.js";
import { Recording } from "./recording.js";
import { RecordingStream } from "./recording-stream.js";

/** What a recording holds. */
export interface RecordedRange {
  readonly systemId: string;
  readonly timeline: number;
  readonly startLsn: Lsn;
  readonly endLsn: Lsn;
}

/**
 * A recording as a source of changes: the same transactions and idle advances, in the same order,
 * as when they were recorded. The stream ends where the recording ended when it was opened. Needs
 * no server.
 */
export class RecordingSource implements ChangeSource {
  readonly #dir: string;
  readonly #decoder: DecoderFactory;

  constructor(dir: string, decoder: DecoderFactory) {
    this.#dir = dir;
    this.#decoder = decoder;
  }

  async describe(tables: readonly string[]): Promise<CatalogTable[]> {
    const { manifest } = await Recording.open(this.#dir);
    return catalogOf(manifest, tables, this.#decoderFor(manifest).codecOf);
  }

  /** Throws RECORDING_MISSING when nothing was recorded. */
  async range(): Promise<RecordedRange> {
    const recording = await Recording.open(this.#dir);
    const { systemId, timeline, lsn } = endOf(recording);
    return { systemId, timeline, startLsn: recording.startLsn, endLsn: lsn };
  }

  /** Where the first transaction begins that committed at or after a time (ms since 1970). */
  async lsnAtTime(ms: number): Promise<Lsn> {
    return (await Recording.open(this.#dir)).lsnAtTime(ms);
  }

  async open(request: StreamRequest): Promise<ChangeStream> {
    const recording = await Recording.open(this.#dir);
    const end = endOf(recording);
    const checkpoint = (await request.readCheckpoint())?.position ?? null;
    if (checkpoint !== null && checkpoint.systemId !== end.systemId) {
      throw new TidemarkError(
        "OTHER_SYSTEM",
        `The recording was made from the server with system identifier ${end.systemId}, but the ` +
          `checkpoint was taken from ${checkpoint.systemId}. Choose the other recording.`,
      );
    }
    const position = checkpoint ?? { ...end, lsn: recording.startLsn };
    return new RecordingStream({
      pieces: recording.pieces(position.lsn),
      position,
      decoder: this.#decoderFor(recording.manifest).create(),
      handlers: request.handlers,
    });
  }

  #decoderFor({ types = [] }: RecordingManifest): DecoderFactory {
    return this.#decoder.forTypes(types, false);
  }

  /** A recording is not changed by being read. */
  async reset(): Promise<void> {}
}

function endOf(recording: Recording) {
  const { end, dir } = recording;
  if (end !== null) return end;
  throw new TidemarkError("RECORDING_MISSING", `The recording in ${dir} is still empty.`);
}
