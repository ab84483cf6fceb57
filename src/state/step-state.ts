import { assert } from "../core/assert.js";
import type { OperatorState, StateBlock, StateSnapshot } from "../core/operator.js";
import { BlockReader, BlockWriter } from "./block.js";
import type { KeyedState } from "./keyed-state.js";
import { type StateFacts, type StateSchema, schemaDifferences, schemaOf } from "./state-schema.js";
import type { StateValue } from "./state-value.js";

/** Block number of what is not keyed; those of key groups and their deltas begin at 0. */
const VALUES_BLOCK = -1;

/** Settings of {@link StepState}. */
export interface StepStateOptions {
  /** The step's stable name. */
  readonly id: string;
  readonly facts: StateFacts;
  /** What is not keyed, in an order that never changes. */
  readonly values: readonly StateValue[];
  readonly keyed?: KeyedState;
}

/**
 * Everything that one step remembers, and the only place where it is saved and restored. A step
 * makes its values and its keyed state, hands them over here, and is done with checkpoints.
 */
export class StepState implements OperatorState {
  readonly #options: StepStateOptions;
  readonly #schema: StateSchema;
  /** Whether a checkpoint knows the step; its first one names it even if it remembers nothing. */
  #isKnown = false;

  constructor(options: StepStateOptions) {
    this.#options = options;
    this.#schema = schemaOf(options.facts);
  }

  get bytes(): number {
    return this.#options.keyed?.bytes ?? 0;
  }

  snapshot(): StateSnapshot {
    const { id, keyed } = this.#options;
    const blocks = this.#saveValues();
    const target = { operator: id, schema: this.#schema, blocks };
    const keyedSnapshot = keyed?.snapshot(target);
    return { blocks, advance: () => keyedSnapshot?.advance() ?? false };
  }

  differences({ bytes }: StateBlock): readonly string[] {
    return schemaDifferences(new BlockReader(bytes, this.#options.id).schema, this.#schema);
  }

  restore(blocks: readonly StateBlock[]): void {
    const { id, values, keyed } = this.#options;
    this.#isKnown = blocks.length > 0;
    for (const { block, bytes } of blocks.toSorted((a, b) => a.block - b.block)) {
      const from = new BlockReader(bytes, id);
      assert(from.schema.hash === this.#schema.hash, "only state that fits is restored");
      if (block === VALUES_BLOCK) for (const value of values) value.load(from);
      else keyed?.load(block, from);
    }
  }

  #saveValues(): StateBlock[] {
    const { id, values } = this.#options;
    if (this.#isKnown && !values.some((value) => value.isDirty)) return [];
    this.#isKnown = true;
    const out = new BlockWriter(this.#schema);
    for (const value of values) value.save(out);
    return [{ operator: id, block: VALUES_BLOCK, bytes: out.finish() }];
  }
}
