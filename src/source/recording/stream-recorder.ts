import { assert } from "../../core/assert.js";
import { type Lsn, ZERO_LSN } from "../../core/lsn.js";
import type { Position } from "../../core/position.js";
import { BlockBuilder } from "./block-builder.js";
import { encodeKeepalive, PLUGIN_MESSAGE } from "./copy-data.js";
import type { FullBlock, RecordingWriter } from "./recording-writer.js";
import type { StreamTap } from "./stream-tap.js";

const TAG = { begin: 0x42, commit: 0x43, relation: 0x52, type: 0x59 } as const;
const POSTGRES_EPOCH_MS = 946_684_800_000;
/** So much of a read is copied at once, at most. */
const RUN_BYTES = 64 * 1024;

/**
 * Records a stream beside whoever decodes it. It looks only at the first bytes of each message:
 * where transactions begin and end, and which messages describe relations. Neighbouring messages
 * are copied together. A transaction that the recording has already is left out; the rule is the
 * engine's: one whose commit record begins before the recording's end.
 */
export class StreamRecorder implements StreamTap {
  readonly #writer: RecordingWriter;
  readonly #runBytes: number;
  #builder: BlockBuilder;
  /** Messages not copied yet. */
  #run: { readonly bytes: Uint8Array; readonly from: number; to: number } | null = null;
  #startLsn: Lsn = ZERO_LSN;
  #isOpen = false;
  #isSkipping = false;
  #commitMs = 0;
  /** An advance at a position that the stream has yet to come to. */
  #advance: { readonly lsn: Lsn; readonly serverMs: number } | null = null;

  /** One recorder serves one connection and closes its writer. */
  constructor(writer: RecordingWriter) {
    this.#writer = writer;
    this.#runBytes = Math.min(RUN_BYTES, writer.options.blockBytes);
    this.#builder = new BlockBuilder(writer.options.blockBytes, ZERO_LSN);
  }

  /**
   * The connection will read what comes after `position` or, where that is earlier, after the
   * position returned; the server has nothing before `reachableLsn` any more. Throws RECORDING_GAP
   * and RECORDING_FOREIGN.
   */
  begin(position: Position, reachableLsn: Lsn): Lsn {
    this.#writer.begin(position, reachableLsn);
    const endLsn = this.#writer.endLsn ?? position.lsn;
    this.#startLsn = endLsn;
    this.#builder = new BlockBuilder(this.#writer.options.blockBytes, endLsn);
    return position.lsn < endLsn ? position.lsn : endLsn;
  }

  /** Everything up to here was seen. */
  get endLsn(): Lsn {
    return this.#builder.endLsn;
  }

  get durableLsn(): Lsn {
    return this.#writer.durableLsn ?? ZERO_LSN;
  }

  get isFull(): boolean {
    return this.#writer.isFull;
  }

  onRoom(callback: () => void): void {
    this.#writer.onRoom(callback);
  }

  onMessage(bytes: Uint8Array, from: number, to: number): void {
    const at = from + PLUGIN_MESSAGE;
    const tag = bytes[at];
    if (tag === TAG.begin) this.#onBegin(bytes, at);
    const isDescription = tag === TAG.relation || tag === TAG.type;
    if (!this.#isSkipping || isDescription) this.#extend(bytes, from, to);
    if (isDescription) this.#describe(bytes, from, to);
    else if (tag === TAG.commit) this.#onCommit(bytes, at);
  }

  expectAdvance(lsn: Lsn, serverMs: number): void {
    this.#advance = { lsn, serverMs };
  }

  onAdvance(lsn: Lsn, serverMs: number): void {
    if (lsn < this.endLsn) return; // recorded by an earlier run
    assert(!this.#isOpen, "the watermarks move on their own only between transactions");
    if (lsn === this.#startLsn) {
      this.#advance = { lsn, serverMs }; // a segment has to lead beyond its beginning
      return;
    }
    this.#advance = null;
    this.#note(lsn, serverMs);
    this.#boundary(lsn, null);
  }

  async sync(): Promise<void> {
    this.#append(this.#builder.cut());
    await this.#writer.sync();
  }

  async close(): Promise<void> {
    this.#append(this.#builder.cut());
    await this.#writer.close();
  }

  #note(lsn: Lsn, serverMs: number): void {
    const message = encodeKeepalive(lsn, serverMs);
    this.#extend(message, 0, message.length);
  }

  /** Begin: Byte1 'B', Int64 commit LSN, Int64 commit time in microseconds since 2000. */
  #onBegin(bytes: Uint8Array, at: number): void {
    const commitLsn = readLsn(bytes, at + 1);
    const micros = (readUint32(bytes, at + 9) | 0) * 2 ** 32 + readUint32(bytes, at + 13);
    this.#commitMs = micros / 1000 + POSTGRES_EPOCH_MS;
    this.#isSkipping = commitLsn < this.endLsn;
    const advance = this.#advance;
    if (!this.#isSkipping && advance !== null && advance.lsn <= commitLsn) {
      this.#advance = null;
      if (advance.lsn >= this.endLsn) this.#note(advance.lsn, advance.serverMs);
    }
    this.#isOpen = true;
  }

  /** Commit: Byte1 'C', Byte1 flags, Int64 commit LSN, Int64 end LSN, Int64 commit time. */
  #onCommit(bytes: Uint8Array, at: number): void {
    this.#isOpen = false;
    if (!this.#isSkipping) this.#boundary(readLsn(bytes, at + 10), this.#commitMs);
    this.#isSkipping = false;
  }

  /** Relation: Byte1 'R', Int32 OID, ...; Type: Byte1 'Y', Int32 OID, ... */
  #describe(bytes: Uint8Array, from: number, to: number): void {
    const at = from + PLUGIN_MESSAGE;
    const what = `${bytes[at]} ${readUint32(bytes, at + 1)}`;
    this.#builder.describe(what, bytes.slice(from, to));
  }

  #boundary(endLsn: Lsn, commitMs: number | null): void {
    const builder = this.#builder;
    this.#copyRun();
    builder.boundary(endLsn, commitMs);
    // A transaction that was cut into pieces shares its last block with no other one.
    if (builder.isFull || builder.startsInside) this.#append(builder.cut());
  }

  #extend(bytes: Uint8Array, from: number, to: number): void {
    const run = this.#run;
    if (run !== null && run.to - run.from >= this.#runBytes) this.#copyRun();
    // Before the message, since what a commit ends is cut at its boundary.
    const builder = this.#builder;
    if (this.#isOpen && builder.isFull) this.#append(builder.cut() ?? builder.cutPiece());
    if (this.#run?.bytes === bytes && this.#run.to === from) {
      this.#run.to = to;
      return;
    }
    this.#copyRun();
    this.#run = { bytes, from, to };
  }

  /** Copies the messages that wait. */
  #copyRun(): void {
    const run = this.#run;
    this.#run = null;
    if (run !== null) this.#builder.append(run.bytes, run.from, run.to);
  }

  #append(block: FullBlock | null): void {
    if (block !== null) this.#writer.append(block);
  }
}

function readLsn(bytes: Uint8Array, at: number): Lsn {
  return (BigInt(readUint32(bytes, at)) << 32n) | BigInt(readUint32(bytes, at + 4));
}

function readUint32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)) >>>
    0
  );
}
