/** The units of extract(), date_part() and date_trunc(), by every name they go by. */
export type TimeUnit = keyof typeof NAMES;

const NAMES = {
  microseconds: ["microsecond", "us", "usec", "usecs", "useconds", "microsecon"],
  milliseconds: ["millisecond", "ms", "msec", "msecs", "mseconds"],
  second: ["seconds", "s", "sec", "secs"],
  minute: ["minutes", "m", "min", "mins"],
  hour: ["hours", "h", "hr", "hrs"],
  day: ["days", "d"],
  week: ["weeks", "w"],
  month: ["months", "mon", "mons"],
  quarter: ["qtr"],
  year: ["years", "y", "yr", "yrs"],
  decade: ["decades", "dec", "decs"],
  century: ["centuries", "c", "cent"],
  millennium: ["millennia", "mil", "mils"],
  dow: [],
  isodow: [],
  doy: [],
  isoyear: [],
  julian: [],
  epoch: [],
  timezone: [],
  timezone_hour: ["timezone_h"],
  timezone_minute: ["timezone_m"],
} as const;

const UNITS: ReadonlyMap<string, TimeUnit> = new Map(
  (Object.keys(NAMES) as TimeUnit[]).flatMap((unit) =>
    [unit, ...NAMES[unit]].map((name): [string, TimeUnit] => [name, unit]),
  ),
);

/** The unit of that name, in any case, or null. */
export function timeUnit(name: string): TimeUnit | null {
  return UNITS.get(name.toLowerCase()) ?? null;
}
