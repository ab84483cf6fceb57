/**
 * A change of a table as a function sees it: `op` tells which images there are. `R` is a row,
 * `Updated` what it is after an UPDATE, `Replaced` what there is of the row before one (null where
 * the log has nothing of it), `Deleted` what there is of a row that was deleted.
 */
export type Change<R, Updated = R, Replaced = R | null, Deleted = R> =
  | { readonly op: "insert"; readonly after: R }
  | { readonly op: "update"; readonly before: Replaced; readonly after: Updated }
  | { readonly op: "delete"; readonly before: Deleted }
  | { readonly op: "truncate" };
