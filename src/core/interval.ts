const DAY_MICROS = 86_400_000_000n;
const MONTH_DAYS = 30n;
const MAX_PART = 2_147_483_647;

/**
 * PostgreSQL's `interval`: months, days and microseconds, which stay apart because a month has no
 * fixed number of days and a day none of hours. From version 17 on also ±infinity. Immutable.
 */
export class Interval {
  readonly months: number;
  readonly days: number;
  readonly micros: bigint;
  /** 1 and -1 for the infinities. */
  readonly #infinite: -1 | 0 | 1;

  private constructor(months: number, days: number, micros: bigint, infinite: -1 | 0 | 1 = 0) {
    this.months = months;
    this.days = days;
    this.micros = micros;
    this.#infinite = infinite;
  }

  // With the parts that PostgreSQL stores for them.
  static readonly infinity: Interval = new Interval(MAX_PART, MAX_PART, 2n ** 63n - 1n, 1);
  static readonly negativeInfinity: Interval = new Interval(
    -MAX_PART - 1,
    -MAX_PART - 1,
    -(2n ** 63n),
    -1,
  );

  /** Parts that are left out are zero. */
  static of(parts: { months?: number; days?: number; micros?: bigint | number }): Interval {
    return new Interval(parts.months ?? 0, parts.days ?? 0, BigInt(parts.micros ?? 0));
  }

  get isFinite(): boolean {
    return this.#infinite === 0;
  }

  add(other: Interval): Interval {
    if (!this.isFinite) return this;
    if (!other.isFinite) return other;
    const { months, days, micros } = other;
    return new Interval(this.months + months, this.days + days, this.micros + micros);
  }

  negate(): Interval {
    if (this.isFinite) return new Interval(-this.months || 0, -this.days || 0, -this.micros);
    return this.#infinite > 0 ? Interval.negativeInfinity : Interval.infinity;
  }

  /** As PostgreSQL compares: a month counts as 30 days, a day as 24 hours. */
  compare(other: Interval): number {
    if (this.#infinite !== other.#infinite) return this.#infinite - other.#infinite;
    const difference = this.#estimate() - other.#estimate();
    return difference < 0n ? -1 : difference > 0n ? 1 : 0;
  }

  equals(other: Interval): boolean {
    return this.compare(other) === 0;
  }

  /** Counts a month as 30 days and a day as 24 hours, and loses the microseconds. */
  toMilliseconds(): number {
    return this.isFinite ? Number(this.#estimate() / 1000n) : this.#infinite * Infinity;
  }

  /** PostgreSQL's text: `1 year 2 mons -3 days +04:05:06.789`. */
  toString(): string {
    if (!this.isFinite) return this.#infinite > 0 ? "infinity" : "-infinity";
    const years = Math.trunc(this.months / 12);
    const parts: string[] = [];
    // A part behind a negative one shows its plus.
    let isBehindNegative = false;
    for (const [count, unit] of [
      [years, "year"],
      [this.months % 12, "mon"],
      [this.days, "day"],
    ] as const) {
      if (count === 0) continue;
      const plus = isBehindNegative && count > 0 ? "+" : "";
      parts.push(`${plus}${count} ${unit}${count === 1 ? "" : "s"}`);
      isBehindNegative = count < 0;
    }
    if (this.micros !== 0n || parts.length === 0) {
      const sign = this.micros < 0n ? "-" : isBehindNegative ? "+" : "";
      parts.push(sign + clockText(this.micros < 0n ? -this.micros : this.micros));
    }
    return parts.join(" ");
  }

  toJSON(): string {
    return this.toString();
  }

  #estimate(): bigint {
    return (BigInt(this.months) * MONTH_DAYS + BigInt(this.days)) * DAY_MICROS + this.micros;
  }
}

function clockText(micros: bigint): string {
  const fraction = micros % 1_000_000n;
  const seconds = micros / 1_000_000n;
  const two = (n: bigint): string => String(n).padStart(2, "0");
  const tail = fraction === 0n ? "" : `.${String(fraction).padStart(6, "0").replace(/0+$/, "")}`;
  return `${two(seconds / 3600n)}:${two((seconds / 60n) % 60n)}:${two(seconds % 60n)}${tail}`;
}
