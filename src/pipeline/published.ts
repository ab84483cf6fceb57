import type { Change } from "../core/change.js";
import type { UNCHANGED } from "../core/unchanged.js";

/** Exists for the compiler only; no column can have its name. */
declare const published: unique symbol;

/**
 * A table as `tidemark types` describes it. `R` is a row. `Identity` says what the log keeps of old
 * rows: `"full"` all of them, a type with the columns of the key those, null nothing, so that rows
 * of the table cannot be updated or deleted. `Large` names the columns whose values an UPDATE may
 * leave out because they are large and did not change.
 */
export interface Published<R, Identity, Large extends keyof R = never> {
  readonly [published]: { readonly row: R; readonly identity: Identity; readonly large: Large };
}

/** A row of a table in a `Database`; one that is no {@link Published} is a row itself. */
export type RowOf<T> = T extends { readonly [published]: { readonly row: infer R } } ? R : T;

/**
 * A change of a table in a `Database`. Where that says nothing of what the log keeps, old rows may
 * lack any column and any value may be left out of an UPDATE.
 */
export type ChangeOf<T> = T extends {
  readonly [published]: {
    readonly row: infer R;
    readonly identity: infer Identity;
    readonly large: infer Large;
  };
}
  ? ChangeBy<Readonly<R>, Identity, Large>
  : ChangeBy<Readonly<T>, Readonly<Partial<T>>, keyof T>;

type ChangeBy<R, Identity, Large> = [Identity] extends [null]
  ? Exclude<Change<R>, { readonly op: "update" | "delete" }>
  : [Identity] extends ["full"]
    ? Change<R, R, R, R>
    : Change<R, Updated<R, Large>, Readonly<Identity> | null, Readonly<Identity>>;

type Updated<R, Large> = {
  [C in keyof R]: C extends Large ? R[C] | typeof UNCHANGED : R[C];
};
