// Texts of values: the ordinary ones and those at which types break.
import {
  type ElementType,
  elementOf,
  enumOf,
  type ScalarType,
  type SqlType,
} from "../../../src/expression/sql-type.js";
import type { Random } from "../../torture/random.js";

/** One of several. */
export function oneOf<T>(random: Random, items: readonly T[]): T {
  return items[random.between(0, items.length - 1)] as T;
}

function digits(random: Random, most: number): string {
  const count = random.between(1, most);
  return Array.from({ length: count }, () => random.between(0, 9)).join("");
}

function integer(random: Random, most: string, edges: readonly string[]): string {
  if (random.chance(0.2)) return oneOf(random, edges);
  if (random.chance(0.6)) return String(random.between(-12, 120));
  const value = BigInt(digits(random, most.length)) % (BigInt(most) + 1n);
  return random.chance(0.5) ? String(value) : String(-value);
}

function numeric(random: Random): string {
  if (random.chance(0.12)) {
    return oneOf(random, ["NaN", "Infinity", "-Infinity", "0", "0.00", "-0.5", "1e-20", "1e20"]);
  }
  const sign = random.chance(0.4) ? "-" : "";
  if (random.chance(0.7)) return `${sign}${random.between(0, 500)}.${digits(random, 4)}`;
  return `${sign}${digits(random, 22)}.${digits(random, 18)}`;
}

function float(random: Random, edges: readonly string[]): string {
  if (random.chance(0.2)) return oneOf(random, edges);
  const sign = random.chance(0.4) ? "-" : "";
  if (random.chance(0.5))
    return `${sign}${random.between(0, 200)}.${oneOf(random, [0, 25, 5, 75])}`;
  return `${sign}${digits(random, 9)}.${digits(random, 9)}e${random.between(-8, 8)}`;
}

const WORDS: readonly string[] = [
  ...["", " ", "a", "b", "abc", "ABC", "alert", "Alert!", "purchase", "x,y,z", "a_b%c", "100"],
  ...["12.5", "-7", "  padded ", "tab\there", "two\nlines", "it's", 'say "hi"', "back\\slash"],
  ...["naïve", "ÄÖÜ ß", "Ωmega", "日本語", "🎉 party", "e\u0301", "İstanbul", "zzz", "{}", "null"],
  ...["true", "2024-02-29", "aXbXc", "aaaa", "foo123bar", "$1.00", "(a)", "[x]", "a.b.c"],
];

function text(random: Random): string {
  if (random.chance(0.8)) return oneOf(random, WORDS);
  return oneOf(random, WORDS) + oneOf(random, WORDS);
}

function two(n: number): string {
  return String(n).padStart(2, "0");
}

function calendarDay(random: Random): string {
  const edges = ["2024-02-29", "2000-01-01", "1999-12-31", "1970-01-01", "2023-03-31"];
  if (random.chance(0.3)) return oneOf(random, edges);
  const year = random.chance(0.8) ? random.between(1995, 2030) : random.between(1, 9999);
  const day = `${two(random.between(1, 12))}-${two(random.between(1, 28))}`;
  return `${String(year).padStart(4, "0")}-${day}`;
}

function clock(random: Random): string {
  if (random.chance(0.2)) return oneOf(random, ["00:00:00", "23:59:59.999999", "12:00:00"]);
  const fraction = random.chance(0.4) ? `.${digits(random, 6)}` : "";
  const [h, m, s] = [random.between(0, 23), random.between(0, 59), random.between(0, 59)];
  return `${two(h)}:${two(m)}:${two(s)}${fraction}`;
}

function moment(random: Random): string {
  const edges = ["infinity", "-infinity", "4714-11-24 00:00:00 BC", "294276-12-31 23:59:59.999999"];
  if (random.chance(0.1)) return oneOf(random, edges);
  if (random.chance(0.05)) return `0${random.between(100, 999)}-03-15 ${clock(random)} BC`;
  return `${calendarDay(random)} ${clock(random)}`;
}

function interval(random: Random): string {
  const edges = ["0", "1 day", "-1 mon", "1 year 2 mons -3 days +04:05:06.789", "36:00:00"];
  if (random.chance(0.3)) return oneOf(random, [...edges.slice(1), "infinity", "-infinity"]);
  const parts = [
    `${random.between(-30, 30)} mons`,
    `${random.between(-100, 100)} days`,
    `${random.chance(0.5) ? "-" : ""}${random.between(0, 90)}:${two(random.between(0, 59))}:07.25`,
  ].filter(() => random.chance(0.6));
  return parts.length === 0 ? "00:00:01.5" : parts.join(" ");
}

const JSON_TEXTS: readonly string[] = [
  ...["{}", "[]", "null", "true", "false", "0", "1.50", "-3e2", '"text"', '""', '"a\\"b\\u00e4"'],
  ...['{"a": 1, "b": {"c": [1, 2, {"d": null}]}}', '{"type": "alert", "n": 1.0, "ok": true}'],
  ...['[1, "a", null, {"a": 1}, [2, 3]]', '{"a": "x", "bb": 2, "ccc": [true, false]}'],
  ...['{"ключ": "значение", "🎉": [1.10, 1.1]}', '{"a": null, "b": {"a": null, "z": 1}}'],
  ...['["a", "b", "a"]', '{"0": "zero", "a": ["x", "y"]}', "[[1], [2, [3]]]", '{"a": 1e400}'],
];

/** jsonb as PostgreSQL prints some of it; the table's own texts are read back from the server. */
function json(random: Random): string {
  return oneOf(random, JSON_TEXTS);
}

const INT8_EDGES = ["9223372036854775807", "-9223372036854775808", "0", "-1", "4294967296"];
const FLOAT_EDGES = [
  "NaN",
  "Infinity",
  "-Infinity",
  "-0",
  "0",
  "1e15",
  "1e-5",
  "0.5",
  "1.5",
  "2.5",
];
const HEX = "0123456789abcdef";

const MAKERS: Readonly<Record<ScalarType, (random: Random) => string>> = {
  bool: (random) => oneOf(random, ["true", "false"]),
  int2: (random) => integer(random, "32767", ["32767", "-32768", "0", "-1"]),
  int4: (random) => integer(random, "2147483647", ["2147483647", "-2147483648", "0", "-1", "7"]),
  int8: (random) => integer(random, "9223372036854775807", INT8_EDGES),
  numeric,
  float4: (random) => float(random, [...FLOAT_EDGES, "3.4e38", "1e-45", "16777217"]),
  float8: (random) => float(random, [...FLOAT_EDGES, "1e308", "5e-324", "1e23", "0.1"]),
  text,
  varchar: text,
  bpchar: (random) => oneOf(random, ["", "a", "ab ", "abc", "  x", "ÄÖ"]),
  bytea: (random) => `\\x${digits(random, 3).replace(/./g, "$&f")}`,
  uuid: (random) =>
    "xxxxxxxx-xxxx-4xxx-8xxx-xxxxxxxxxxxx".replace(/x/g, () => oneOf(random, [...HEX])),
  date: (random) => (random.chance(0.1) ? oneOf(random, DATE_EDGES) : calendarDay(random)),
  time: clock,
  timestamp: moment,
  timestamptz: (random) => {
    const value = moment(random);
    return value.includes("infinity") ? value : value.replace(/( BC)?$/, "+00$1");
  },
  interval,
  json,
  jsonb: json,
};

const DATE_EDGES = ["infinity", "-infinity", "4714-11-24 BC", "5874897-12-31", "0044-03-15 BC"];

/** A text that PostgreSQL reads as a value of the type. */
export function literalOf(type: SqlType, random: Random): string {
  const element = elementOf(type);
  if (element === null) return one(type as ElementType, random);
  const items = Array.from({ length: random.between(0, 4) }, () => {
    if (random.chance(0.15)) return "NULL";
    return `"${one(element, random).replace(/["\\]/g, "\\$&")}"`;
  });
  return `{${items.join(",")}}`;
}

function one(type: ElementType, random: Random): string {
  const labels = enumOf(type)?.labels;
  return labels === undefined ? MAKERS[type as ScalarType](random) : oneOf(random, labels);
}
