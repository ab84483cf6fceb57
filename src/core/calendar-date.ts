import { civilFromDays, daysFromCivil } from "./timestamp.js";

const MS_PER_DAY = 86_400_000;

/** PostgreSQL's `date`: a day from 4713 BC to 5874897 AD, or ±infinity. Immutable. */
export class CalendarDate {
  /** Days since 1970-01-01; ±Infinity for the infinities. */
  readonly epochDays: number;

  private constructor(epochDays: number) {
    this.epochDays = epochDays;
  }

  static ofEpochDays(epochDays: number): CalendarDate {
    return new CalendarDate(epochDays);
  }

  /** Years are astronomical: 1 BC is 0. */
  static of(year: number, month: number, day: number): CalendarDate {
    return new CalendarDate(daysFromCivil(year, month, day));
  }

  /** The day in UTC that an instant falls on. */
  static fromDate(date: Date): CalendarDate {
    return new CalendarDate(Math.floor(date.getTime() / MS_PER_DAY));
  }

  get isFinite(): boolean {
    return Number.isFinite(this.epochDays);
  }

  /** Astronomical: 1 BC is 0. NaN for the infinities. */
  get year(): number {
    return civilFromDays(this.epochDays)[0];
  }

  /** 1 to 12. */
  get month(): number {
    return civilFromDays(this.epochDays)[1];
  }

  /** 1 to 31. */
  get day(): number {
    return civilFromDays(this.epochDays)[2];
  }

  addDays(days: number): CalendarDate {
    return new CalendarDate(this.epochDays + days);
  }

  /** Negative, zero or positive. */
  compare(other: CalendarDate): number {
    return this.epochDays === other.epochDays ? 0 : this.epochDays < other.epochDays ? -1 : 1;
  }

  equals(other: CalendarDate): boolean {
    return this.epochDays === other.epochDays;
  }

  /** Midnight UTC; an invalid Date for the infinities and for years JavaScript cannot hold. */
  toDate(): Date {
    return new Date(this.epochDays * MS_PER_DAY);
  }

  /** PostgreSQL's ISO text: `2026-11-23`, `0044-03-15 BC`, `infinity`. */
  toString(): string {
    if (!this.isFinite) return this.epochDays > 0 ? "infinity" : "-infinity";
    const [year, month, day] = civilFromDays(this.epochDays);
    const shown = String(year <= 0 ? 1 - year : year).padStart(4, "0");
    return `${shown}-${two(month)}-${two(day)}${year <= 0 ? " BC" : ""}`;
  }

  toJSON(): string {
    return this.toString();
  }
}

function two(n: number): string {
  return n < 10 ? `0${n}` : String(n);
}
