import { TidemarkError } from "./errors.js";

/** Finite, or one of the three special values; ordered as PostgreSQL orders them. */
type Kind = -1 | 0 | 1 | 2;
const NEGATIVE_INFINITY: Kind = -1;
const FINITE: Kind = 0;
const POSITIVE_INFINITY: Kind = 1;
const NAN: Kind = 2;

const MAX_SAFE = BigInt(Number.MAX_SAFE_INTEGER);
// What numeric can hold: manual, 8.1.2.
const MAX_WHOLE_DIGITS = 131_072;
const MAX_SCALE = 16_383;
// Larger powers are made anew: a cache of all up to 10^99999 would hold gigabytes.
const CACHED_POWERS = 400;
const powers: bigint[] = [1n];

/** 10^n; the small ones are cached. */
export function powerOfTen(n: number): bigint {
  if (n > CACHED_POWERS) return 10n ** BigInt(n);
  for (let i = powers.length; i <= n; i++) powers.push((powers[i - 1] as bigint) * 10n);
  return powers[n] as bigint;
}

/**
 * PostgreSQL's `numeric`, exact: an integer and how many of its digits stand behind the point. The
 * scale is part of the value's text (`1.0` and `1.00` differ) but not of its comparison. NaN equals
 * itself and is greater than everything, as in PostgreSQL. Immutable.
 */
export class Numeric {
  /** Digits behind the decimal point, 0 to 16383. */
  readonly scale: number;
  readonly #small: number;
  readonly #big: bigint | null;
  readonly #kind: Kind;

  private constructor(kind: Kind, small: number, big: bigint | null, scale: number) {
    this.#kind = kind;
    this.#small = small;
    this.#big = big;
    this.scale = scale;
  }

  static readonly NaN: Numeric = new Numeric(NAN, 0, null, 0);
  static readonly Infinity: Numeric = new Numeric(POSITIVE_INFINITY, 0, null, 0);
  static readonly NegativeInfinity: Numeric = new Numeric(NEGATIVE_INFINITY, 0, null, 0);

  /** `unscaled` / 10^`scale`. */
  static of(unscaled: bigint | number, scale = 0): Numeric {
    if (typeof unscaled === "number" && Number.isSafeInteger(unscaled)) {
      return new Numeric(FINITE, unscaled + 0, null, scale); // + 0: -0 becomes 0
    }
    const big = BigInt(unscaled);
    const isSmall = big <= MAX_SAFE && big >= -MAX_SAFE;
    return isSmall
      ? new Numeric(FINITE, Number(big), null, scale)
      : new Numeric(FINITE, 0, big, scale);
  }

  /** Reads PostgreSQL's text form. Throws BAD_VALUE on anything else. */
  static parse(text: string): Numeric {
    const match = /^(-?)(\d*)(?:\.(\d*))?(?:[eE]([+-]?\d{1,5}))?$/.exec(text);
    if (match === null || (match[2] === "" && (match[3] ?? "") === "")) {
      if (text === "NaN") return Numeric.NaN;
      if (text === "Infinity") return Numeric.Infinity;
      if (text === "-Infinity") return Numeric.NegativeInfinity;
      throw new TidemarkError("BAD_VALUE", "A numeric is digits with an optional point, or NaN.");
    }
    const fraction = match[3] ?? "";
    const exponent = Number(match[4] ?? 0);
    const scale = fraction.length - exponent;
    if (scale > MAX_SCALE || (match[2] ?? "").length + exponent > MAX_WHOLE_DIGITS) {
      throw new TidemarkError(
        "BAD_VALUE",
        "A numeric has at most 131072 digits before the point and 16383 after it.",
      );
    }
    let unscaled = BigInt(`${match[2]}${fraction}` || "0");
    if (match[1] === "-") unscaled = -unscaled;
    return scale < 0 ? Numeric.of(unscaled * powerOfTen(-scale), 0) : Numeric.of(unscaled, scale);
  }

  get isFinite(): boolean {
    return this.#kind === FINITE;
  }

  get isNaN(): boolean {
    return this.#kind === NAN;
  }

  /** Whether it is finite and its digits, without the point, are at most 2^53 - 1. */
  get isSmall(): boolean {
    return this.#kind === FINITE && this.#big === null;
  }

  /** The value times 10^scale; 0n for the special values. */
  get unscaled(): bigint {
    return this.#big ?? BigInt(this.#small);
  }

  add(other: Numeric): Numeric {
    if (this.#kind !== FINITE || other.#kind !== FINITE) return this.#addSpecial(other);
    const scale = Math.max(this.scale, other.scale);
    return Numeric.of(this.#at(scale) + other.#at(scale), scale);
  }

  subtract(other: Numeric): Numeric {
    return this.add(other.negate());
  }

  multiply(other: Numeric): Numeric {
    if (this.#kind === FINITE && other.#kind === FINITE) {
      // Bigints cost several times as much, and most products fit.
      const product = this.isSmall && other.isSmall ? this.#small * other.#small : Number.NaN;
      if (Number.isSafeInteger(product)) return Numeric.of(product, this.scale + other.scale);
      return Numeric.of(this.unscaled * other.unscaled, this.scale + other.scale);
    }
    const sign = this.sign * other.sign;
    if (this.isNaN || other.isNaN || sign === 0) return Numeric.NaN;
    return sign > 0 ? Numeric.Infinity : Numeric.NegativeInfinity;
  }

  negate(): Numeric {
    if (this.#kind === FINITE) return Numeric.of(-this.unscaled, this.scale);
    if (this.#kind === NAN) return this;
    return this.#kind === POSITIVE_INFINITY ? Numeric.NegativeInfinity : Numeric.Infinity;
  }

  /** -1, 0 or 1; NaN counts as 1 because it sorts above everything. */
  get sign(): -1 | 0 | 1 {
    if (this.#kind !== FINITE) return this.#kind === NEGATIVE_INFINITY ? -1 : 1;
    const value = this.#big ?? this.#small;
    return value > 0 ? 1 : value < 0 ? -1 : 0;
  }

  /** Negative, zero or positive, in PostgreSQL's order; scales do not matter. */
  compare(other: Numeric): number {
    if (this.#kind !== FINITE || other.#kind !== FINITE) return this.#kind - other.#kind;
    if (this.scale === other.scale && this.#big === null && other.#big === null) {
      return this.#small - other.#small;
    }
    const scale = Math.max(this.scale, other.scale);
    const difference = this.#at(scale) - other.#at(scale);
    return difference > 0n ? 1 : difference < 0n ? -1 : 0;
  }

  equals(other: Numeric): boolean {
    return this.compare(other) === 0;
  }

  lessThan(other: Numeric): boolean {
    return this.compare(other) < 0;
  }

  greaterThan(other: Numeric): boolean {
    return this.compare(other) > 0;
  }

  /** The nearest double: loses digits past about 15. */
  toNumber(): number {
    if (this.#kind === NAN) return Number.NaN;
    if (this.#kind !== FINITE) return this.#kind * Number.POSITIVE_INFINITY;
    if (this.scale === 0 && this.#big === null) return this.#small;
    return Number(this.toString());
  }

  /** PostgreSQL's text form. */
  toString(): string {
    if (this.#kind === NAN) return "NaN";
    if (this.#kind !== FINITE) return this.#kind > 0 ? "Infinity" : "-Infinity";
    const value = this.unscaled;
    const digits = (value < 0n ? -value : value).toString().padStart(this.scale + 1, "0");
    const sign = value < 0n ? "-" : "";
    if (this.scale === 0) return sign + digits;
    const point = digits.length - this.scale;
    return `${sign}${digits.slice(0, point)}.${digits.slice(point)}`;
  }

  /** As text, so that JSON keeps every digit. */
  toJSON(): string {
    return this.toString();
  }

  #at(scale: number): bigint {
    return this.unscaled * powerOfTen(scale - this.scale);
  }

  #addSpecial(other: Numeric): Numeric {
    if (this.isNaN || other.isNaN) return Numeric.NaN;
    if (this.#kind === FINITE) return other;
    if (other.#kind === FINITE || other.#kind === this.#kind) return this;
    return Numeric.NaN;
  }
}
