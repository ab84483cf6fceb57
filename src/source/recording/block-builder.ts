import { assert } from "../../core/assert.js";
import type { Lsn } from "../../core/lsn.js";
import type { FullBlock } from "./recording-writer.js";

/** Descriptions of relations as CopyData messages, by what they describe; never changed. */
type Relations = ReadonlyMap<string, Uint8Array>;

/**
 * Collects the messages of a stream into blocks. A block is cut at a boundary between transactions,
 * and what came after it begins the next one; a transaction larger than a block is cut into pieces
 * that share a block with nothing else.
 */
export class BlockBuilder {
  readonly #blockBytes: number;
  #bytes: Buffer;
  #length = 0;
  #relations: Relations = new Map();
  #hasRelations = false;
  /** What lies before the last boundary. */
  #whole = 0;
  #wholeRelations: Relations = this.#relations;
  #wholeHasRelations = false;
  #startLsn: Lsn;
  #endLsn: Lsn;
  #startRelations: Relations = this.#relations;
  #startsInside = false;
  #firstMs = Number.NaN;
  #lastMs = Number.NaN;
  #transactions = 0;

  constructor(blockBytes: number, startLsn: Lsn) {
    this.#blockBytes = blockBytes;
    this.#bytes = Buffer.allocUnsafeSlow(blockBytes);
    this.#startLsn = startLsn;
    this.#endLsn = startLsn;
  }

  /** The last boundary. */
  get endLsn(): Lsn {
    return this.#endLsn;
  }

  get isFull(): boolean {
    return this.#length >= this.#blockBytes;
  }

  /** Whether pieces of the open transaction were cut off already. */
  get startsInside(): boolean {
    return this.#startsInside;
  }

  append(bytes: Uint8Array, from: number, to: number): void {
    const length = this.#length + to - from;
    if (length > this.#bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(length, this.#bytes.length * 2));
      this.#bytes.copy(larger, 0, 0, this.#length);
      this.#bytes = larger;
    }
    this.#bytes.set(bytes.subarray(from, to), this.#length);
    this.#length = length;
  }

  /** Remembers a description that was appended; the bytes are kept. */
  describe(what: string, message: Uint8Array): void {
    this.#relations = new Map(this.#relations).set(what, message);
    this.#hasRelations = true;
  }

  /** What was appended so far ends between transactions; `commitMs` is null where none ends. */
  boundary(endLsn: Lsn, commitMs: number | null): void {
    this.#whole = this.#length;
    this.#wholeRelations = this.#relations;
    this.#wholeHasRelations = this.#hasRelations;
    this.#endLsn = endLsn;
    if (commitMs === null) return;
    this.#transactions++;
    if (Number.isNaN(this.#firstMs)) this.#firstMs = commitMs;
    this.#lastMs = Number.isNaN(this.#lastMs) ? commitMs : Math.max(this.#lastMs, commitMs);
  }

  /** The block up to the last boundary, or null when nothing lies before it. */
  cut(): FullBlock | null {
    if (this.#whole === 0) return null;
    const block = this.#take(this.#whole, { endLsn: this.#endLsn, endsInside: false });
    this.#startsInside = false;
    this.#startLsn = this.#endLsn;
    this.#startRelations = this.#wholeRelations;
    this.#hasRelations &&= this.#relations !== this.#wholeRelations;
    return block;
  }

  /** All there is of the open transaction. */
  cutPiece(): FullBlock {
    assert(this.#whole === 0, "a piece shares its block with no other transaction");
    const block = this.#take(this.#length, { endLsn: this.#startLsn, endsInside: true });
    this.#startsInside = true;
    this.#startRelations = this.#relations;
    this.#hasRelations = false;
    return block;
  }

  #take(length: number, end: Pick<FullBlock, "endLsn" | "endsInside">): FullBlock {
    const block: FullBlock = {
      ...end,
      raw: this.#bytes.subarray(0, length),
      relations: [...this.#startRelations.values()],
      startsInside: this.#startsInside,
      hasRelations: end.endsInside ? this.#hasRelations : this.#wholeHasRelations,
      startLsn: this.#startLsn,
      firstMs: this.#firstMs,
      lastMs: this.#lastMs,
      transactions: this.#transactions,
    };
    const rest = this.#bytes.subarray(length, this.#length);
    this.#bytes = Buffer.allocUnsafeSlow(Math.max(this.#blockBytes, rest.length));
    this.#bytes.set(rest);
    this.#length = rest.length;
    this.#whole = 0;
    this.#wholeHasRelations = false;
    this.#firstMs = Number.NaN;
    this.#lastMs = Number.NaN;
    this.#transactions = 0;
    return block;
  }
}
