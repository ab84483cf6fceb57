import { TidemarkError } from "../../core/errors.js";
import type { BlockReader, BlockWriter } from "../../state/block.js";
import type { StateValue } from "../../state/state-value.js";

const MAX_KEYS = 10_000;

/** The keys of each source whose rows are held back, by the text of the key. */
export class BlockedKeys implements StateValue {
  readonly #keys = new Set<string>();
  #isDirty = false;

  get size(): number {
    return this.#keys.size;
  }

  get isDirty(): boolean {
    return this.#isDirty;
  }

  has(source: string, key: string): boolean {
    return this.#keys.size > 0 && this.#keys.has(`${source}\n${key}`);
  }

  /** Blocks a key; POISON_LIMIT when there are too many. */
  add(source: string, key: string): void {
    this.#keys.add(`${source}\n${key}`);
    this.#isDirty = true;
    if (this.#keys.size <= MAX_KEYS) return;
    throw new TidemarkError(
      "POISON_LIMIT",
      `More than ${MAX_KEYS} keys are blocked: it is rather the pipeline that is broken than a ` +
        "row. Look at tidemark.dead_letter for the reason, correct it, and start again.",
    );
  }

  /** Lets the rows of all keys pass again; returns how many were blocked. */
  release(): number {
    const { size } = this.#keys;
    this.#isDirty ||= size > 0;
    this.#keys.clear();
    return size;
  }

  save(out: BlockWriter): void {
    out.integer(this.#keys.size);
    for (const key of this.#keys) out.bytes(ENCODER.encode(key));
    this.#isDirty = false;
  }

  load(from: BlockReader): void {
    for (let left = from.integer(); left > 0; left--) this.#keys.add(DECODER.decode(from.bytes()));
  }
}

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder("utf-8", { ignoreBOM: true });
