import type { StateBlock, StateSnapshot } from "../../src/core/operator.js";
import type { BlockReader, BlockWriter } from "../../src/state/block.js";
import { KeyedState } from "../../src/state/keyed-state.js";
import type { StateColumn } from "../../src/state/state-column.js";
import { StateNumber } from "../../src/state/state-number.js";
import { StepState } from "../../src/state/step-state.js";

/** A number a slot: the least that an operator may keep. */
class Totals implements StateColumn {
  readonly bytesPerSlot = 8;
  readonly values: number[] = [];
  readonly #padding: Uint8Array;

  constructor(padding: number) {
    this.#padding = new Uint8Array(padding);
  }

  grow(): void {}

  clear(slot: number): void {
    this.values[slot] = 0;
  }

  save(slot: number, out: BlockWriter): void {
    out.integer(this.values[slot] ?? 0);
    out.bytes(this.#padding);
  }

  /** Adds, so that a slot which holds something already shows. */
  load(slot: number, from: BlockReader): void {
    this.values[slot] = (this.values[slot] ?? 0) + from.integer();
    from.bytes();
  }
}

interface StepOptions {
  readonly facts?: Record<string, string>;
  /** Bytes that each slot takes on top in a block. */
  readonly padding?: number;
}

/** A step that adds numbers by key and window, and remembers one number beside them. */
export class KeyedStep {
  readonly totals: Totals;
  readonly keyed: KeyedState;
  readonly bound: StateNumber = new StateNumber(Number.NEGATIVE_INFINITY);
  readonly state: StepState;

  constructor({ facts = { keys: "k" }, padding = 0 }: StepOptions = {}) {
    this.totals = new Totals(padding);
    this.keyed = new KeyedState([this.totals]);
    const { bound, keyed } = this;
    this.state = new StepState({ id: "totals", facts, values: [bound], keyed });
  }

  add(key: string, window: number, amount: number): void {
    const bytes = Buffer.from(key);
    this.keyed.beginKey();
    this.keyed.addBytes(bytes, 0, bytes.length);
    const slot = this.keyed.slot(window);
    this.totals.values[slot] = (this.totals.values[slot] ?? 0) + amount;
  }

  drop(key: string, window: number): void {
    const bytes = Buffer.from(key);
    this.keyed.beginKey();
    this.keyed.addBytes(bytes, 0, bytes.length);
    const slot = this.keyed.find(window);
    if (slot >= 0) this.keyed.remove(slot);
  }

  /** Everything it remembers, as text. */
  get contents(): string[] {
    const lines = [`bound ${this.bound.value}`];
    for (let slot = 0; slot < this.keyed.end; slot++) {
      if (!this.keyed.isUsed(slot)) continue;
      const key = Buffer.from(this.keyed.keyOf(slot)).toString("latin1");
      lines.push(`${key} ${this.keyed.windowOf(slot)}: ${this.totals.values[slot]}`);
    }
    return lines.sort();
  }

  /** A snapshot taken in one go. */
  save(): readonly StateBlock[] {
    return finished(this.state.snapshot());
  }
}

/** Works a snapshot off. */
export function finished(snapshot: StateSnapshot): readonly StateBlock[] {
  while (snapshot.advance());
  return snapshot.blocks;
}

/** What a store holds after saves: the newest block of each number. */
export class StoredBlocks {
  readonly blocks: Map<number, StateBlock> = new Map();

  save(blocks: readonly StateBlock[]): void {
    for (const block of blocks) {
      if (block.bytes.length === 0) this.blocks.delete(block.block);
      else this.blocks.set(block.block, block);
    }
  }

  restored(options?: StepOptions): KeyedStep {
    const step = new KeyedStep(options);
    step.state.restore([...this.blocks.values()].reverse());
    return step;
  }
}
