import { assert } from "../../src/core/assert.js";
import { type HeldTransaction, readRecord } from "./held-transaction.js";
import type { MessageReader } from "./reader.js";
import { RelationVersions } from "./relation-versions.js";
import { TAG } from "./tags.js";

/** A walk through the messages of a held transaction that has committed, chunk by chunk. */
export class Delivery {
  /** The shapes of its rows at the message that was read last. */
  readonly versions: RelationVersions = new RelationVersions();
  readonly #held: HeldTransaction;
  readonly #record = { subxid: 0, start: 0, end: 0 };
  #chunk: Uint8Array | null = null;
  #nextChunk = 0;
  #at = 0;

  constructor(held: HeldTransaction) {
    this.#held = held;
  }

  /** Whether all chunks have been walked. */
  get isDone(): boolean {
    return this.#chunk === null && this.#nextChunk === this.#held.chunkCount;
  }

  /**
   * Puts the reader on the next message that was not rolled back. False at the end of a chunk; the
   * next call goes on with the one after.
   */
  next(reader: MessageReader): boolean {
    const record = this.#record;
    if (this.#chunk === null) {
      if (this.isDone) return false;
      this.#chunk = this.#held.takeChunk(this.#nextChunk++);
      this.#at = 0;
    }
    const chunk = this.#chunk;
    while (this.#at < chunk.length) {
      readRecord(chunk, this.#at, record);
      this.#at = record.end;
      if (this.#held.aborted.has(record.subxid)) continue;
      reader.reset(chunk, record.start, record.end);
      if (reader.tag === TAG.relation) this.#switchVersion(chunk as Buffer, record.start);
      return true;
    }
    this.#chunk = null;
    return false;
  }

  close(): void {
    this.#held.close();
  }

  #switchVersion(chunk: Buffer, at: number): void {
    const version = this.#held.relations[chunk.readUInt32BE(at + 1)];
    assert(version !== undefined, "a held transaction knows the relations it uses");
    this.versions.set(version);
  }
}
