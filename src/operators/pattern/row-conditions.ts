import type { Row } from "../../core/row.js";
import { userFailure } from "../user-failure.js";
import type { Arrival } from "./arrival.js";
import type { Conditions } from "./matcher.js";
import type { RowEvent, RowKeeper } from "./row-event.js";
import type { Taken } from "./run.js";

/** The rows that a partial match has taken so far, by step, oldest first. */
export type MatchedRows = Readonly<Record<string, readonly Row[]>>;

/** A user's condition. */
export interface RowCondition {
  readonly test: (row: Row, matched: MatchedRows) => boolean;
  /** Whether it looks at what was matched; otherwise it is asked once an event. */
  readonly looksBack: boolean;
}

/** Settings of {@link RowConditions}. */
export interface RowConditionsOptions {
  /** The step of the pipeline and its table, for messages. */
  readonly id: string;
  readonly table: string;
  readonly conditions: readonly RowCondition[];
  /** Names of the pattern's steps. */
  readonly steps: readonly string[];
  readonly keeper: RowKeeper;
}

/**
 * Asks the users' conditions, each at most once for an event, or for an event and a partial match
 * if it looks back.
 */
export class RowConditions implements Conditions<RowEvent, Arrival> {
  readonly #options: RowConditionsOptions;
  readonly #matched: MatchedRows;
  #last: Taken<RowEvent> | null = null;
  #event = 0;
  /** By condition: the event it was asked for last, the answer, and what was matched then. */
  readonly #askedFor: Float64Array;
  readonly #answers: boolean[];
  readonly #askedWith: (Taken<RowEvent> | null)[];

  constructor(options: RowConditionsOptions) {
    const { conditions, steps } = options;
    this.#options = options;
    this.#askedFor = new Float64Array(conditions.length);
    this.#answers = conditions.map(() => false);
    this.#askedWith = conditions.map(() => null);
    const matched: MatchedRows = Object.create(null);
    steps.forEach((name, step) => {
      const get = () => this.#rows(step);
      Object.defineProperty(matched, name, { enumerable: true, get });
    });
    this.#matched = matched;
  }

  begin(): void {
    this.#event++;
  }

  holds(index: number, event: Arrival, last: Taken<RowEvent> | null): boolean {
    const { looksBack, test } = this.#options.conditions[index] as RowCondition;
    const isAsked = this.#askedFor[index] === this.#event;
    if (isAsked && (!looksBack || this.#askedWith[index] === last)) {
      return this.#answers[index] as boolean;
    }
    this.#last = last;
    let answer: boolean;
    try {
      answer = test(event.row, this.#matched);
    } catch (error) {
      throw userFailure(error, this.#options.id, this.#options.table);
    }
    this.#askedFor[index] = this.#event;
    this.#askedWith[index] = last;
    this.#answers[index] = answer;
    return answer;
  }

  #rows(step: number): Row[] {
    const rows: Row[] = [];
    for (let taken = this.#last; taken !== null; taken = taken.before) {
      if (taken.step === step) rows.push(taken.event.row(this.#options.keeper));
    }
    return rows.reverse();
  }
}
