import type { KeyedState } from "../../state/keyed-state.js";
import type { AggregateList } from "./aggregate-list.js";
import type { Count } from "./aggregates/count.js";

/** Settings of {@link Partials}. */
export interface PartialsOptions {
  readonly panes: KeyedState;
  readonly rowCounts: Count;
  readonly aggregates: AggregateList;
}

/** Slots beside those of the panes, in which the contents of several are brought together. */
export class Partials {
  readonly #options: PartialsOptions;

  constructor(options: PartialsOptions) {
    this.#options = options;
  }

  /** An empty slot; to be given back. */
  take(): number {
    return this.#options.panes.reserve();
  }

  giveBack(slot: number): void {
    this.clear(slot);
    this.#options.panes.giveBack(slot);
  }

  clear(slot: number): void {
    this.#options.rowCounts.clear(slot);
    this.#options.aggregates.clear(slot);
  }

  /** Brings the rows of `from` into `slot`, behind those that it has. */
  merge(slot: number, from: number): void {
    const { rowCounts, aggregates } = this.#options;
    rowCounts.merge(slot, rowCounts, from);
    aggregates.merge(slot, from);
  }

  /** How many rows a slot has. */
  rowsOf(slot: number): number {
    return this.#options.rowCounts.result(slot);
  }
}
