import { assert } from "../core/assert.js";
import type {
  CheckpointDelta,
  CheckpointHeader,
  CheckpointStore,
  LoadBounds,
  LoadedCheckpoint,
} from "../core/checkpoint-store.js";
import { TidemarkError } from "../core/errors.js";
import type { StateBlock } from "../core/operator.js";
import type { Position } from "../core/position.js";
import { chooseGeneration } from "./choose-generation.js";

const GENERATIONS = 2;

interface Generation {
  readonly position: Position;
  /** By operator and number. */
  readonly blocks: ReadonlyMap<string, StateBlock>;
  /** For tests: a damaged one is refused. */
  isDamaged: boolean;
}

/** What the stores of one pipeline share. It outlives each of them, as a database would. */
export class MemoryCheckpoint {
  header: CheckpointHeader | null = null;
  /** Newest first. */
  generations: readonly Generation[] = [];
}

/**
 * Checkpoints in memory, for tests. A new store on the same {@link MemoryCheckpoint} finds what the
 * one before it has saved, so that a restart can be played without a database.
 */
export class MemoryCheckpointStore implements CheckpointStore {
  readonly #shared: MemoryCheckpoint;
  #isOpen = false;
  #hasClaimed = false;

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
    this.#opened().header ??= { position: null, epoch: 0, earlier: [] };
  }

  async claim(epoch: number, position: Position | null): Promise<void> {
    const shared = this.#opened();
    if (shared.header !== null && shared.header.epoch >= epoch) throw fenced();
    this.#hasClaimed = true;
    if (position === null) {
      this.#keep(epoch, []);
      return;
    }
    const first = { position, blocks: new Map(), isDamaged: false };
    this.#keep(epoch, shared.generations.length === 0 ? [first] : shared.generations);
  }

  async load(bounds?: LoadBounds): Promise<LoadedCheckpoint> {
    const { header, generations } = this.#opened();
    assert(header?.position != null, "a claimed checkpoint has a position");
    const { generation, loaded, passedOver } = await chooseGeneration(
      generations,
      bounds,
      async ({ blocks, isDamaged }) => {
        if (isDamaged) throw corrupt();
        return [...blocks.values()].map(copied);
      },
    );
    if (this.#hasClaimed) {
      this.#keep(header.epoch, generations.slice(generations.indexOf(generation)));
    }
    return { position: generation.position, blocks: loaded, passedOver };
  }

  async save({ epoch, position, blocks }: CheckpointDelta): Promise<void> {
    const { header, generations } = this.#opened();
    const current = header?.position ?? null;
    if (header?.epoch !== epoch) throw fenced();
    const isNext = current?.systemId === position.systemId && current.lsn <= position.lsn;
    if (current !== null && !isNext) throw fenced();
    const merged = new Map(generations[0]?.blocks);
    for (const block of blocks) {
      const name = `${block.operator}\0${block.block}`;
      if (block.bytes.length === 0) merged.delete(name);
      else merged.set(name, copied(block));
    }
    this.#keep(epoch, [{ position, blocks: merged, isDamaged: false }, ...generations]);
  }

  /** Memory is as durable as it gets. */
  async settled(): Promise<void> {}

  async reset(): Promise<void> {
    const shared = this.#opened();
    shared.header = null;
    shared.generations = [];
  }

  async close(): Promise<void> {
    this.#isOpen = false;
  }

  #keep(epoch: number, all: readonly Generation[]): void {
    const generations = all.slice(0, GENERATIONS);
    const [position = null, ...earlier] = generations.map((generation) => generation.position);
    this.#shared.generations = generations;
    this.#shared.header = { epoch, position, earlier };
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

function corrupt(): TidemarkError {
  return new TidemarkError(
    "CHECKPOINT_CORRUPT",
    "The checkpoint in memory is damaged. Nothing was loaded; run with --reset.",
  );
}
