import { assert } from "../../../core/assert.js";
import type { CellCodec } from "../../../core/cell-codec.js";
import { TidemarkError } from "../../../core/errors.js";
import type { ResultValue } from "../../../core/output.js";
import type { Rows } from "../../../core/rows.js";
import type { BlockReader, BlockWriter } from "../../../state/block.js";
import { userFailure } from "../../user-failure.js";
import type { Aggregate } from "./aggregate.js";
import { loadText, saveText } from "./utf8-text.js";

/**
 * An aggregate of a user's own. All functions are synchronous and give the same answer for the same
 * arguments; `add`, `remove` and `merge` may change and return their first argument, and leave the
 * second one as it is. NULLs are left out.
 */
export interface UserAggregate<V = unknown, S = unknown> {
  /** Names it in errors and in what saved state follows from. */
  readonly name: string;
  /** Another version of its functions or its state; saved state of another one is refused. */
  readonly version: number;
  /** PostgreSQL's name of the result's type. */
  readonly sqlType: string;
  /** The state of no value. */
  init(): S;
  add(state: S, value: V): S;
  /** Takes away a value that came in; without it, a table has to be only inserted into. */
  remove?(state: S, value: V): S;
  /** The state of the values of both, those of `other` last. */
  merge(state: S, other: S): S;
  result(state: S): ResultValue;
  /** The state as text and back, for checkpoints. */
  readonly codec: { encode(state: S): string; decode(text: string): S };
}

/** Where a user's aggregate stands. */
export interface UserAggregatePlace {
  /** Names the step in errors. */
  readonly step: string;
  readonly codec: CellCodec;
}

/** Bytes that a group of a user's aggregate is taken to hold. */
const STATE_BYTES = 256;

/** Runs a user's aggregate. Throws USER_FUNCTION when one of its functions does. */
export class UserAggregateColumn<V, S> implements Aggregate {
  readonly sqlType: string;
  readonly bytesPerSlot = 8;
  readonly #user: UserAggregate<V, S>;
  readonly #place: UserAggregatePlace;
  readonly #states = new Map<number, { state: S }>();

  constructor(user: UserAggregate<V, S>, place: UserAggregatePlace) {
    this.#user = user;
    this.#place = place;
    this.sqlType = user.sqlType;
  }

  get heldBytes(): number {
    return this.#states.size * STATE_BYTES;
  }

  grow(): void {}

  clear(slot: number): void {
    this.#states.delete(slot);
  }

  add(rows: Rows, slots: Int32Array, [column = -1]: readonly number[]): void {
    const { batch, indices, images, count, weight, relation } = rows;
    const { codec } = this.#place;
    for (let k = 0; k < count; k++) {
      const cell = (images[k] as number) + 2 * column;
      const start = batch.cells[cell] as number;
      if (start < 0) continue;
      const bytes = batch.bytes[indices[k] as number] as Uint8Array;
      const read = codec.parse ?? codec.decode;
      const value = read.call(codec, bytes, start, batch.cells[cell + 1] as number) as V;
      const held = this.#heldOf(slots[k] as number);
      held.state = this.#run(relation.qualifiedName, () => this.#change(held.state, value, weight));
    }
  }

  merge(slot: number, from: this, fromSlot: number): void {
    const other = from.#states.get(fromSlot);
    if (other === undefined) return;
    const held = this.#heldOf(slot);
    held.state = this.#run("a window", () => this.#user.merge(held.state, other.state));
  }

  result(slot: number): ResultValue {
    const state = this.#states.get(slot)?.state ?? this.#user.init();
    return this.#run("a window", () => this.#user.result(state));
  }

  save(slot: number, out: BlockWriter): void {
    const held = this.#states.get(slot);
    out.integer(held === undefined ? 0 : 1);
    if (held !== undefined) saveText(this.#user.codec.encode(held.state), out);
  }

  load(slot: number, from: BlockReader): void {
    if (from.integer() === 1) {
      this.#states.set(slot, { state: this.#user.codec.decode(loadText(from)) });
    }
  }

  #heldOf(slot: number): { state: S } {
    let held = this.#states.get(slot);
    if (held === undefined) {
      held = { state: this.#user.init() };
      this.#states.set(slot, held);
    }
    return held;
  }

  #change(state: S, value: V, weight: 1 | -1): S {
    if (weight > 0) return this.#user.add(state, value);
    assert(this.#user.remove !== undefined, "the plan was checked with checkRemovable");
    return this.#user.remove(state, value);
  }

  #run<T>(table: string, call: () => T): T {
    try {
      return call();
    } catch (error) {
      throw userFailure(error, `${this.#place.step}: ${this.#user.name}`, table);
    }
  }
}

/** Throws PLAN_INVALID for an aggregate that cannot follow rows that leave. */
export function checkRemovable(user: UserAggregate, isRetractable: boolean): void {
  if (!isRetractable || user.remove !== undefined) return;
  throw new TidemarkError(
    "PLAN_INVALID",
    `The aggregate "${user.name}" has no remove(), and the table's rows may be updated and ` +
      "deleted: give it one, or read a table that is only inserted into, with appendOnly: true.",
  );
}
