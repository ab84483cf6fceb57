/**
 * PostgreSQL's `time` and `timetz`: microseconds since midnight, 24:00:00 included, and for
 * `timetz` its distance from UTC. Immutable.
 */
export class TimeOfDay {
  /** Microseconds since midnight, 0 to 86,400,000,000. */
  readonly micros: number;
  /** Seconds east of UTC; null for a time without zone. */
  readonly offsetSeconds: number | null;

  private constructor(micros: number, offsetSeconds: number | null) {
    this.micros = micros;
    this.offsetSeconds = offsetSeconds;
  }

  static of(micros: number, offsetSeconds: number | null = null): TimeOfDay {
    return new TimeOfDay(micros, offsetSeconds);
  }

  get hour(): number {
    return Math.floor(this.micros / 3_600_000_000);
  }

  get minute(): number {
    return Math.floor(this.micros / 60_000_000) % 60;
  }

  /** With its fraction. */
  get second(): number {
    return (this.micros % 60_000_000) / 1_000_000;
  }

  /**
   * As PostgreSQL orders them: with a zone by the instant, and of equal instants the one further
   * east first.
   */
  compare(other: TimeOfDay): number {
    const east = this.offsetSeconds ?? 0;
    const otherEast = other.offsetSeconds ?? 0;
    const difference = this.micros - other.micros - (east - otherEast) * 1_000_000;
    return difference !== 0 ? difference : otherEast - east;
  }

  equals(other: TimeOfDay): boolean {
    return this.compare(other) === 0;
  }

  /** Loses the microseconds. */
  toMilliseconds(): number {
    return Math.floor(this.micros / 1000);
  }

  /** PostgreSQL's text: `23:59:59.25`, `12:00:00+05:30`. */
  toString(): string {
    const second = Math.floor(this.micros / 1_000_000) % 60;
    const fraction = this.micros % 1_000_000;
    const tail = fraction === 0 ? "" : `.${String(fraction).padStart(6, "0").replace(/0+$/, "")}`;
    return `${two(this.hour)}:${two(this.minute)}:${two(second)}${tail}${zone(this.offsetSeconds)}`;
  }

  toJSON(): string {
    return this.toString();
  }
}

function zone(offset: number | null): string {
  if (offset === null) return "";
  const distance = Math.abs(offset);
  const second = distance % 60;
  const minute = Math.floor(distance / 60) % 60;
  const parts = [two(Math.floor(distance / 3600))];
  if (minute > 0 || second > 0) parts.push(two(minute));
  if (second > 0) parts.push(two(second));
  return (offset < 0 ? "-" : "+") + parts.join(":");
}

function two(n: number): string {
  return n < 10 ? `0${n}` : String(n);
}
