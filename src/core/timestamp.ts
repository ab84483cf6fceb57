const MS_PER_DAY = 86_400_000;

/**
 * PostgreSQL's `timestamp` and `timestamptz`: microseconds, years 4713 BC to 294276 AD, ±infinity.
 * A timestamp without time zone is held as if it were UTC. Immutable.
 */
export class Timestamp {
  /** Milliseconds since the Unix epoch, rounded down; ±Infinity for the infinities. */
  readonly epochMs: number;
  /**
   * The rest, 0 to 999 microseconds; up to 1999 after the year 287396, where doubles hold only even
   * milliseconds.
   */
  readonly micros: number;

  private constructor(epochMs: number, micros: number) {
    this.epochMs = epochMs;
    this.micros = micros;
  }

  static of(epochMs: number, micros = 0): Timestamp {
    return new Timestamp(epochMs, micros);
  }

  static fromDate(date: Date): Timestamp {
    return new Timestamp(date.getTime(), 0);
  }

  /** Microseconds since the Unix epoch. Throws RangeError for the infinities. */
  get epochMicros(): bigint {
    return BigInt(this.epochMs) * 1000n + BigInt(this.micros);
  }

  get isFinite(): boolean {
    return Number.isFinite(this.epochMs);
  }

  compare(other: Timestamp): number {
    if (this.epochMs === other.epochMs) return this.micros - other.micros;
    return this.epochMs < other.epochMs ? -1 : 1;
  }

  /** Loses the microseconds; an infinity and years JavaScript cannot hold give an invalid Date. */
  toDate(): Date {
    return new Date(this.epochMs);
  }

  /** PostgreSQL's ISO text in UTC, with the zone: `2026-11-23 06:07:14.25+00`. */
  toString(): string {
    return this.isFinite ? formatTimestamp(this, "+00") : infinityText(this.epochMs);
  }

  /** The text without a zone, for `timestamp` columns. */
  toLocalString(): string {
    return this.isFinite ? formatTimestamp(this, "") : infinityText(this.epochMs);
  }

  toJSON(): string {
    return this.toString();
  }
}

function infinityText(epochMs: number): string {
  return epochMs > 0 ? "infinity" : "-infinity";
}

function formatTimestamp(value: Timestamp, zone: string): string {
  const days = Math.floor(value.epochMs / MS_PER_DAY);
  let rest = value.epochMs - days * MS_PER_DAY;
  const [year, month, day] = civilFromDays(days);
  const ms = rest % 1000;
  rest = (rest - ms) / 1000;
  const fraction = ms * 1000 + value.micros;
  const second = rest % 60;
  const minute = ((rest - second) / 60) % 60;
  const hour = Math.floor(rest / 3600);
  const bc = year <= 0;
  const y = String(bc ? 1 - year : year).padStart(4, "0");
  const time = `${two(hour)}:${two(minute)}:${two(second)}`;
  const tail = fraction === 0 ? "" : `.${String(fraction).padStart(6, "0").replace(/0+$/, "")}`;
  return `${y}-${two(month)}-${two(day)} ${time}${tail}${zone}${bc ? " BC" : ""}`;
}

function two(n: number): string {
  return n < 10 ? `0${n}` : String(n);
}

// Both directions use the 400-year cycle of 146,097 days counted from 1 March of year 0, so that
// the leap day ends a cycle's year. Years are astronomical: 1 BC is 0.

/** Days since 1970-01-01 of a proleptic Gregorian date. */
export function daysFromCivil(year: number, month: number, day: number): number {
  const y = month <= 2 ? year - 1 : year;
  const era = Math.floor(y / 400);
  const yearOfEra = y - era * 400;
  const dayOfYear = Math.floor((153 * (month > 2 ? month - 3 : month + 9) + 2) / 5) + day - 1;
  const dayOfEra =
    yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

/** Year, month and day of a count of days since 1970-01-01. */
export function civilFromDays(days: number): [year: number, month: number, day: number] {
  const z = days + 719_468;
  const era = Math.floor(z / 146_097);
  const dayOfEra = z - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear =
    dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shifted = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shifted < 10 ? shifted + 3 : shifted - 9;
  const day = dayOfYear - Math.floor((153 * shifted + 2) / 5) + 1;
  return [yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day];
}
