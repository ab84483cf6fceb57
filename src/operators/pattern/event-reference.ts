// What a condition in SQL may name: the row that is looked at, and the rows that a partial match
// has taken, by step.

/** What is asked of the rows of a step. */
export type StepQuestion = "first" | "last" | "count" | "sum" | "avg" | "min" | "max";

/** A value of the row that is looked at, or of the rows that were taken. */
export type EventReference =
  | { readonly of: "row"; readonly column: string }
  | {
      readonly of: StepQuestion;
      readonly step: string;
      /** Empty for a count. */
      readonly column: string;
      /** Of `first` and `last`: how many rows further in. */
      readonly offset: number;
    };

/** The key of a reference in its scope. */
export function eventKey(reference: EventReference): string {
  return JSON.stringify(reference);
}

/** The reference behind a key. */
export function eventReference(key: string): EventReference {
  return JSON.parse(key) as EventReference;
}
