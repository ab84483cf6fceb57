import { TidemarkError } from "../../core/errors.js";
import type { OperatorState, StateBlock, StateSnapshot } from "../../core/operator.js";
import { BlockReader, BlockWriter, schemaHash } from "../../state/block.js";

const MAX_KEYS = 10_000;
const BLOCK = -1;
const SCHEMA = schemaHash("blocked keys 1");

/** The keys of each source whose rows are held back, by the text of the key. */
export class BlockedKeys implements OperatorState {
  readonly #id: string;
  readonly #keys = new Set<string>();
  #isDirty = false;

  constructor(id: string) {
    this.#id = id;
  }

  get size(): number {
    return this.#keys.size;
  }

  /** Bounded by the number of keys, which is small. */
  get bytes(): number {
    return 0;
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

  snapshot(): StateSnapshot {
    const blocks: StateBlock[] = [];
    if (this.#isDirty) {
      const out = new BlockWriter(SCHEMA);
      for (const key of this.#keys) out.bytes(ENCODER.encode(key));
      blocks.push({ operator: this.#id, block: BLOCK, bytes: out.finish() });
      this.#isDirty = false;
    }
    return { blocks, advance: () => false };
  }

  restore(blocks: readonly StateBlock[]): void {
    for (const { bytes } of blocks) {
      const from = new BlockReader(bytes, SCHEMA, this.#id);
      while (!from.isAtEnd) this.#keys.add(DECODER.decode(from.bytes()));
    }
  }
}

const ENCODER = new TextEncoder();
const DECODER = new TextDecoder("utf-8", { ignoreBOM: true });
