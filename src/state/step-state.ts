import type { OperatorState, StateBlock, StateSnapshot } from "../core/operator.js";
import { BlockReader, BlockWriter, schemaHash } from "./block.js";
import type { KeyedState } from "./keyed-state.js";
import type { StateNumber } from "./state-number.js";

/** Block number of what is not keyed; key groups have 0 to 127. */
const VALUES_BLOCK = -1;

/** Settings of {@link StepState}. */
export interface StepStateOptions {
  /** The step's stable name. */
  readonly id: string;
  /**
   * What the contents of the state follow from, by name, in words for people: keys, window,
   * aggregates. State that was saved under other facts does not fit.
   */
  readonly facts: Readonly<Record<string, string>>;
  /** What is not keyed, in an order that never changes. */
  readonly values: readonly StateNumber[];
  readonly keyed?: KeyedState;
}

/**
 * Everything that one step remembers, and the only place where it is saved and restored. A step
 * makes its values and its keyed state, hands them over here, and is done with checkpoints.
 */
export class StepState implements OperatorState {
  readonly #options: StepStateOptions;
  readonly #schemaHash: number;

  constructor(options: StepStateOptions) {
    this.#options = options;
    this.#schemaHash = schemaHash(JSON.stringify(options.facts));
  }

  get bytes(): number {
    return this.#options.keyed?.bytes ?? 0;
  }

  snapshot(): StateSnapshot {
    const { id, keyed } = this.#options;
    const blocks = this.#saveValues();
    const target = { operator: id, schemaHash: this.#schemaHash, blocks };
    const keyedSnapshot = keyed?.snapshot(target);
    return { blocks, advance: () => keyedSnapshot?.advance() ?? false };
  }

  restore(blocks: readonly StateBlock[]): void {
    const { id, values, keyed } = this.#options;
    for (const { block, bytes } of blocks) {
      const from = new BlockReader(bytes, this.#schemaHash, id);
      if (block === VALUES_BLOCK) for (const value of values) value.load(from);
      else keyed?.load(from);
    }
  }

  #saveValues(): StateBlock[] {
    const { id, values } = this.#options;
    if (!values.some((value) => value.isDirty)) return [];
    const out = new BlockWriter(this.#schemaHash);
    for (const value of values) value.save(out);
    return [{ operator: id, block: VALUES_BLOCK, bytes: out.finish() }];
  }
}
