// Arguments for which not every value of the type will do: patterns, units, counts.
import type { Random } from "../../torture/random.js";
import { oneOf } from "./literals.js";

const UNITS = [
  ...["microseconds", "milliseconds", "second", "minute", "hour", "day", "week", "month"],
  ...["quarter", "year", "decade", "century", "millennium"],
];
const PARTS = [...UNITS, "dow", "isodow", "doy", "isoyear", "julian", "epoch"];
const CLOCK_PARTS = ["microseconds", "milliseconds", "second", "minute", "hour", "epoch"];
const DAY_PARTS = PARTS.filter((unit) => unit === "epoch" || !CLOCK_PARTS.includes(unit));
const INTERVAL_PARTS = [...UNITS, "epoch"].filter((unit) => unit !== "week" && unit !== "quarter");
const LIKE_PATTERNS = [
  ...[
    "%",
    "_",
    "a%",
    "%c",
    "a_c",
    "%a%b%",
    "",
    "abc",
    "%\\%%",
    "a\\_b%",
    "ÄÖÜ%",
    "%本%",
    "__",
    "%A%",
  ],
];
const REGEXES = [
  ...["a", "^a", "c$", "^$", "a|b", "[a-c]+", "[^a-z]", "\\d+", "\\s", "\\w+", "(?:ab)+", "a{2,3}"],
  ...["x*", "^.*$", "[[:alpha:]]+", "[[:digit:]]", "foo\\d{3}", "\\.", "\\m\\w", "b?", "Ä", "日."],
  ...["[[:upper:]]", "[[:space:]]", "\\y", "(?:a|b)*c", "[]x]", "\\u0041", "A"],
];
const REGEXES_TO_TEST = [...REGEXES, "(a)(b)?", "a+?", "(x|y)*z", "()"];
const ZONES = ["UTC", "Europe/Vienna", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe"];
const REPLACEMENTS = ["", "-", "[\\&]", "\\\\", "é"];

type Make = (random: Random) => string;

const text =
  (items: readonly string[]): Make =>
  (random) =>
    `'${oneOf(random, items)}'`;
const count =
  (from: number, to: number): Make =>
  (random) =>
    String(random.between(from, to));

/** By signature and parameter; the first that fits counts. */
const SPECIAL: readonly (readonly [RegExp, number, Make])[] = [
  [/^(extract|date_part)\(text,interval\)/, 0, text(INTERVAL_PARTS)],
  [/^(extract|date_part)\(text,time\)/, 0, text(CLOCK_PARTS)],
  [/^extract\(text,date\)/, 0, text(DAY_PARTS)],
  [/^(extract|date_part)\(text,timestamptz\)/, 0, text([...PARTS, "timezone", "timezone_hour"])],
  [/^(extract|date_part)\(/, 0, text(PARTS)],
  [/^date_trunc\(text,interval\)/, 0, text(UNITS.filter((unit) => unit !== "week"))],
  [/^date_trunc\(/, 0, text(UNITS)],
  [/^date_trunc\(text,timestamptz,text\)/, 2, text(ZONES)],
  [/^date_trunc\(text,timestamptz,text\)/, 1, recent("timestamptz")],
  [/^timezone\(/, 0, text(ZONES)],
  [/^timezone\(text,timestamptz\)/, 1, recent("timestamptz")],
  [/^timezone\(text,timestamp\)/, 1, recent("timestamp")],
  [/^!?~~\*?\(/, 1, text(LIKE_PATTERNS)],
  [/^!?~\*?\(/, 1, text(REGEXES_TO_TEST)],
  [/^regexp_like\(/, 1, text(REGEXES_TO_TEST)],
  [/^regexp_like\(/, 2, text(["", "i", "c"])],
  [/^regexp_(replace|count)\(/, 1, text(REGEXES)],
  [/^regexp_replace\(/, 2, text(REPLACEMENTS)],
  [/^regexp_replace\(/, 3, text(["", "g", "i", "gi"])],
  [/^substring\(text,text\)/, 1, text(REGEXES)],
  [/^like_escape\(/, 0, text(["a!%%", "!_b", "100!%", "a#b", "plain"])],
  [/^like_escape\(/, 1, text(["!", "#", ""])],
  [/^similar_to_escape\(text\)/, 0, text(["a%", "_b(c|d)*", "x{2}", "[a-c]_", "a.b"])],
  [/^similar_to_escape\(text,text\)/, 0, text(["a#%", "_#_", "%"])],
  [/^similar_to_escape\(text,text\)/, 1, text(["#"])],
  [/^(repeat|lpad|rpad)\(text,int4/, 1, count(-1, 12)],
  [/^(left|right|substring|substr)\(text,int4/, 1, sometimes(count(-3, 8), "int")],
  [/^(substring|substr)\(text,int4,int4\)/, 2, count(-1, 8)],
  [/^split_part\(/, 1, text([",", " ", "X", "", "b", "aa"])],
  [/^split_part\(/, 2, count(-3, 3)],
  [/^overlay\(/, 2, count(0, 5)],
  [/^overlay\(/, 3, count(0, 5)],
  [/^chr\(/, 0, sometimes(count(1, 0x2fff), "int")],
  [/^(<<|>>)\(int2/, 1, count(0, 15)],
  [/^(<<|>>)\(int4/, 1, count(0, 31)],
  [/^(<<|>>)\(int8/, 1, count(0, 63)],
  [/^(round|trunc)\(numeric,int4\)/, 1, count(-5, 8)],
  [/^width_bucket\(/, 3, count(-1, 12)],
  [/^(->|->>)\(jsonb,int4\)/, 1, count(-3, 3)],
  [/^-\(jsonb,int4\)/, 1, count(-3, 3)],
  [/^(->|->>|\?|-)\(jsonb,text\)/, 1, text(["a", "b", "type", "0", "ключ", "🎉", "none"])],
  [/^(#>|#>>)\(/, 1, text(["{a}", "{b,c}", "{b,c,2,d}", "{0}", "{-1}", "{}", "{a,NULL}"])],
  [/^(\?\||\?&|-)\(jsonb,text\[\]\)/, 1, keys],
  [/^array_length\(/, 1, count(0, 2)],
  [/^make_date\(/, 0, count(-3, 2100)],
  [/^make_date\(/, 1, count(0, 13)],
  [/^make_date\(/, 2, count(0, 32)],
  [/^date_bin\(/, 0, text(["1 day", "15 minutes", "1 hour 30 min", "1 mon", "0 s", "7 days"])],
];

function keys(random: Random): string {
  return `'${oneOf(random, ["{a}", "{a,b}", "{}", "{none,NULL}", "{type}"])}'::text[]`;
}

/** A time at which every zone's rules are known alike. */
function recent(type: string): Make {
  return (random) => {
    const [month, day] = [random.between(1, 12), random.between(1, 28)];
    const at = `${random.between(1975, 2037)}-${month}-${day} ${random.between(0, 23)}:30:15.5`;
    return `'${at}'::${type}`;
  };
}

/** Mostly special, now and then any value. */
function sometimes(make: Make, kind: "int"): Make {
  return (random) => (random.chance(0.9) ? make(random) : kind === "int" ? "a_int4" : "NULL");
}

/** An argument made for the place, or null where any value of the type will do. */
export function specialArgument(
  signature: string,
  parameter: number,
  random: Random,
): string | null {
  const found = SPECIAL.find(([pattern, at]) => at === parameter && pattern.test(signature));
  if (found === undefined) return null;
  return found[2](random);
}
