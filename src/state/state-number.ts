import type { BlockReader, BlockWriter } from "./block.js";
import type { StateValue } from "./state-value.js";

/** A number that is not keyed, such as a watermark or a bound. */
export class StateNumber implements StateValue {
  #value: number;
  #isDirty = false;

  constructor(initial: number) {
    this.#value = initial;
  }

  get value(): number {
    return this.#value;
  }

  set value(value: number) {
    if (Object.is(value, this.#value)) return;
    this.#value = value;
    this.#isDirty = true;
  }

  get isDirty(): boolean {
    return this.#isDirty;
  }

  save(out: BlockWriter): void {
    out.double(this.#value);
    this.#isDirty = false;
  }

  load(from: BlockReader): void {
    this.#value = from.double();
  }
}
