/**
 * Stands where an UPDATE did not send a TOASTed value because it did not change. It is not null
 * and not undefined: the value exists, but this message does not hold it.
 */
export const UNCHANGED: unique symbol = Symbol("unchanged TOAST value");
