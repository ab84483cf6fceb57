/** What a column's values are, as far as operators care. */
export type CellKind =
  | "bool"
  | "int"
  | "bigint"
  | "float"
  | "numeric"
  | "text"
  | "bytea"
  | "timestamp"
  | "date"
  | "time"
  | "interval"
  | "json"
  | "array"
  | "range"
  | "composite"
  | "other";

/** Result of {@link CellCodec.readScaled}; one instance is reused by its owner. */
export interface ScaledNumber {
  /** The digits as an integer, at most 2^53 - 1 in magnitude. */
  unscaled: number;
  /** How many of the digits stand behind the decimal point. */
  scale: number;
}

/**
 * Reads the cells of one column from the bytes they arrived in. A codec has no state and is shared
 * by all rows. Every method throws TidemarkError BAD_VALUE when the bytes are no value of the type.
 */
export interface CellCodec {
  readonly kind: CellKind;
  /** PostgreSQL's name of the type, as in `format_type`. */
  readonly typeName: string;
  /** The TypeScript type that {@link decode} returns, as source text, for `tidemark types`. */
  readonly tsType: string;
  /**
   * Whether equal values always have equal bytes, so that rows may be grouped by their bytes.
   * False for numeric (1.0 and 1.00), floats (0 and -0) and jsonb.
   */
  readonly hasCanonicalBytes: boolean;
  /**
   * Where the bytes are not PostgreSQL's text of a value, although equal values have equal bytes:
   * that text. Keys of state are made of it, so that they do not depend on the form cells come in.
   */
  canonicalText?(bytes: Uint8Array, start: number, end: number): string;
  /** The value as user code sees it. The result holds no reference to `bytes`. */
  decode(bytes: Uint8Array, start: number, end: number): unknown;
  /**
   * Where a user replaced the parser: the value as that user's code sees it. Operators read the
   * exact value all the same.
   */
  parse?(bytes: Uint8Array, start: number, end: number): unknown;
  /** int, float: the value as a double. */
  readNumber?(bytes: Uint8Array, start: number, end: number): number;
  /**
   * int, bigint, numeric: fills `out` and returns true when the value fits; false means that it
   * does not (too many digits, NaN, an infinity) and `decode` has to be used.
   */
  readScaled?(bytes: Uint8Array, start: number, end: number, out: ScaledNumber): boolean;
  /**
   * timestamp, date: milliseconds since the Unix epoch, rounded down; ±Infinity for PostgreSQL's
   * infinities. A timestamp without time zone is read as UTC.
   */
  readEpochMs?(bytes: Uint8Array, start: number, end: number): number;
}
