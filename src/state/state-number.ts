import type { BlockReader, BlockWriter } from "./block.js";

/** A number that is not keyed, such as a watermark or a bound; knows whether it has to be saved. */
export class StateNumber {
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

  /** Whether the value changed since it was last saved. */
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
