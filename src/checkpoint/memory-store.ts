import { assert } from "../core/assert.js";
import type {
  CheckpointDelta,
  CheckpointHeader,
  CheckpointStore,
} from "../core/checkpoint-store.js";
import { TidemarkError } from "../core/errors.js";
import type { StateBlock } from "../core/operator.js";
import type { Position } from "../core/position.js";

/** What the stores of one pipeline share. It outlives each of them, as a database would. */
export class MemoryCheckpoint {
  header: CheckpointHeader | null = null;
  /** By operator and number. */
  readonly blocks: Map<string, StateBlock> = new Map();
}

/**
 * Checkpoints in memory, for tests. A new store on the same {@link MemoryCheckpoint} finds what the
 * one before it has saved, so that a restart can be played without a database.
 */
export class MemoryCheckpointStore implements CheckpointStore {
  readonly #shared: MemoryCheckpoint;
  #isOpen = false;

  constructor(shared: MemoryCheckpoint) {
    this.#shared = shared;
  }

  async open(): Promise<CheckpointHeader | null> {
    this.#isOpen = true;
    return this.#opened().header;
  }

  async readHeader(): Promise<CheckpointHeader | null> {
    return this.#opened().header;
  }

  async recordBirth(): Promise<void> {
    this.#opened().header ??= { position: null, epoch: 0 };
  }

  async claim(epoch: number, position: Position): Promise<void> {
    const shared = this.#opened();
    if (shared.header !== null && shared.header.epoch >= epoch) throw fenced();
    shared.header = { epoch, position: shared.header?.position ?? position };
  }

  async load(): Promise<{ position: Position; blocks: StateBlock[] }> {
    const { header, blocks } = this.#opened();
    const position = header?.position ?? null;
    assert(position !== null, "a claimed checkpoint has a position");
    return { position, blocks: [...blocks.values()].map(copied) };
  }

  async save({ epoch, position, blocks }: CheckpointDelta): Promise<void> {
    const shared = this.#opened();
    const current = shared.header?.position ?? null;
    const isWriter = shared.header?.epoch === epoch && current?.systemId === position.systemId;
    if (!isWriter || current.lsn > position.lsn) throw fenced();
    shared.header = { epoch, position };
    for (const block of blocks) {
      shared.blocks.set(`${block.operator}\0${block.block}`, copied(block));
    }
  }

  async reset(): Promise<void> {
    const shared = this.#opened();
    shared.header = null;
    shared.blocks.clear();
  }

  async close(): Promise<void> {
    this.#isOpen = false;
  }

  #opened(): MemoryCheckpoint {
    assert(this.#isOpen, "a checkpoint store is opened before it is used");
    return this.#shared;
  }
}

function copied(block: StateBlock): StateBlock {
  return { ...block, bytes: block.bytes.slice() };
}

function fenced(): TidemarkError {
  return new TidemarkError(
    "FENCED",
    "Another instance of the pipeline has taken over its checkpoint; this one stops.",
  );
}
