/** PostgreSQL's ranges: two bounds, each inside or outside, or nothing at all. Immutable. */
export class Range<T> {
  /** Null when there is no lower bound, or nothing. */
  readonly lower: T | null;
  readonly upper: T | null;
  readonly isLowerInclusive: boolean;
  readonly isUpperInclusive: boolean;
  readonly isEmpty: boolean;

  private constructor(bounds: RangeBounds<T>, isEmpty: boolean) {
    this.lower = bounds.lower;
    this.upper = bounds.upper;
    this.isLowerInclusive = bounds.isLowerInclusive;
    this.isUpperInclusive = bounds.isUpperInclusive;
    this.isEmpty = isEmpty;
  }

  static of<T>(bounds: RangeBounds<T>): Range<T> {
    return new Range(bounds, false);
  }

  static empty<T>(): Range<T> {
    const bounds = { isLowerInclusive: false, isUpperInclusive: false };
    return new Range<T>({ lower: null, upper: null, ...bounds }, true);
  }

  /** Whether a value is inside, by an order such as `(a, b) => a - b`. */
  contains(value: T, compare: (a: T, b: T) => number): boolean {
    if (this.isEmpty) return false;
    if (this.lower !== null) {
      const order = compare(value, this.lower);
      if (order < 0 || (order === 0 && !this.isLowerInclusive)) return false;
    }
    if (this.upper === null) return true;
    const order = compare(value, this.upper);
    return order < 0 || (order === 0 && this.isUpperInclusive);
  }

  /** For reading; values that would need quotes in PostgreSQL's text are not quoted. */
  toString(): string {
    if (this.isEmpty) return "empty";
    const [open, close] = [this.isLowerInclusive ? "[" : "(", this.isUpperInclusive ? "]" : ")"];
    return `${open}${this.lower ?? ""},${this.upper ?? ""}${close}`;
  }
}

/** The parts of a range that is not empty. */
export interface RangeBounds<T> {
  readonly lower: T | null;
  readonly upper: T | null;
  readonly isLowerInclusive: boolean;
  readonly isUpperInclusive: boolean;
}
