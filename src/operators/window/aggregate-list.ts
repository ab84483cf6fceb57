import type { ResultValue } from "../../core/output.js";
import { columnIndex, type Relation } from "../../core/relation.js";
import type { Rows } from "../../core/rows.js";
import type { Aggregate } from "./aggregates/aggregate.js";

/** An aggregate and the columns it reads. */
export interface BoundAggregate {
  /** What it computes, in words: saved state of other words is refused. */
  readonly text: string;
  readonly aggregate: Aggregate;
  /** None for `count(*)`. */
  readonly columns: readonly string[];
}

/** The aggregates of one step, in the order of their result columns. */
export class AggregateList {
  readonly #bound: readonly BoundAggregate[];
  #columns: readonly (readonly number[])[] = [];

  constructor(bound: readonly BoundAggregate[]) {
    this.#bound = bound;
  }

  /** The state that they keep, for the step's keyed state. */
  get columns(): readonly Aggregate[] {
    return this.#bound.map(({ aggregate }) => aggregate);
  }

  /** What their numbers mean, for the facts of the step's state. */
  get fact(): string {
    return this.#bound.map(({ text, aggregate }) => `${text} ${aggregate.sqlType}`).join(", ");
  }

  /** The next rows are of this version of the table. */
  bind(relation: Relation): void {
    this.#columns = this.#bound.map(({ columns }) =>
      columns.map((column) => columnIndex(relation, column)),
    );
  }

  /** Adds row `k` to slot `slots[k]`, for all k. */
  add(rows: Rows, slots: Int32Array): void {
    this.#bound.forEach(({ aggregate }, index) => {
      aggregate.add(rows, slots, this.#columns[index] as readonly number[]);
    });
  }

  /** Brings the rows of slot `from` into `slot`, behind those that it has. */
  merge(slot: number, from: number): void {
    for (const { aggregate } of this.#bound) aggregate.merge(slot, aggregate, from);
  }

  /** Empties a slot that was lent. */
  clear(slot: number): void {
    for (const { aggregate } of this.#bound) aggregate.clear(slot);
  }

  /** Appends the results of a slot to the columns from `first` on. */
  pushResults(slot: number, columns: readonly ResultValue[][], first: number): void {
    let c = first;
    for (const { aggregate } of this.#bound) {
      (columns[c++] as ResultValue[]).push(aggregate.result(slot));
    }
  }
}
