// Time zones by their IANA names, from the rules that come with Node. What a zone's clocks showed
// is asked for once a day of the zone and kept, because asking takes microseconds.
import type { Timestamp } from "../../core/timestamp.js";
import { daysFromCivil } from "../../core/timestamp.js";
import { timestampOf } from "./datetime.js";
import { fault } from "./fault.js";

const DAY_MS = 86_400_000;
/** The furthest that a JavaScript Date reaches. */
const MAX_DATE_MS = 8_640_000_000_000_000;
const MAX_CACHED_DAYS = 4096;

class Zone {
  readonly #format: Intl.DateTimeFormat;
  /** Offset all day long, by UTC day; NaN on days where it changes. */
  readonly #days: Map<number, number> = new Map();

  constructor(name: string) {
    this.#format = new Intl.DateTimeFormat("en-US", {
      timeZone: name,
      calendar: "gregory",
      numberingSystem: "latn",
      hourCycle: "h23",
      ...{ era: "short", year: "numeric", month: "numeric", day: "numeric" },
      ...{ hour: "numeric", minute: "numeric", second: "numeric" },
    });
  }

  /** Milliseconds that clocks were ahead of UTC at a moment. */
  offsetMs(epochMs: number): number {
    const day = Math.floor(epochMs / DAY_MS);
    let offset = this.#days.get(day);
    if (offset === undefined) {
      if (this.#days.size >= MAX_CACHED_DAYS) this.#days.clear();
      const first = this.#ask(day * DAY_MS);
      offset = first === this.#ask((day + 1) * DAY_MS - 1000) ? first : Number.NaN;
      this.#days.set(day, offset);
    }
    return Number.isNaN(offset) ? this.#ask(epochMs) : offset;
  }

  #ask(epochMs: number): number {
    if (Math.abs(epochMs) > MAX_DATE_MS) {
      throw fault("datetime_field_overflow", "The time lies beyond what time zones are known for.");
    }
    const whole = Math.floor(epochMs / 1000) * 1000;
    const parts = new Map<string, string>();
    for (const { type, value } of this.#format.formatToParts(whole)) parts.set(type, value);
    const part = (name: string): number => Number(parts.get(name));
    const year = parts.get("era") === "BC" ? 1 - part("year") : part("year");
    const days = daysFromCivil(year, part("month"), part("day"));
    const seconds = (part("hour") * 60 + part("minute")) * 60 + part("second");
    return days * DAY_MS + seconds * 1000 - whole;
  }
}

const zones = new Map<string, Zone>();

/** The zone of a name that {@link isZoneName} takes. */
function zoneNamed(name: string): Zone {
  let zone = zones.get(name);
  if (zone === undefined) {
    zone = new Zone(name);
    zones.set(name, zone);
  }
  return zone;
}

/** Whether this is a name in the IANA database; offsets and abbreviations are none. */
export function isZoneName(name: string): boolean {
  if (name !== "UTC" && name !== "GMT" && !/^[A-Z][A-Za-z_]+(?:\/[A-Za-z0-9_+-]+)+$/.test(name)) {
    return false;
  }
  try {
    zoneNamed(name);
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}

/** What clocks in a zone show at a moment, as a timestamp without time zone. */
export function toLocalTime(zone: string, value: Timestamp): Timestamp {
  const offset = zoneNamed(zone).offsetMs(value.epochMs);
  return timestampOf(value.epochMicros + BigInt(offset) * 1000n);
}

/**
 * When clocks in a zone show a time. A time that was shown twice is taken by the later offset's
 * reading (standard time), one that was skipped by the offset before (localtime.c,
 * DetermineTimeZoneOffset).
 */
export function toUtc(zone: string, local: Timestamp): Timestamp {
  const { epochMs } = local;
  const rules = zoneNamed(zone);
  const before = rules.offsetMs(epochMs - DAY_MS);
  const after = rules.offsetMs(epochMs + DAY_MS);
  const shows = (offset: number): boolean => rules.offsetMs(epochMs - offset) === offset;
  const offset = before !== after && shows(after) ? after : before;
  return timestampOf(local.epochMicros - BigInt(offset) * 1000n);
}
