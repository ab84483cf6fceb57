// =, <>, <, <=, >, >= of every pair of types that PostgreSQL compares without a cast.
import type { Interval } from "../../core/interval.js";
import type { Numeric } from "../../core/numeric.js";
import { Timestamp } from "../../core/timestamp.js";
import { enumOf, type SqlType } from "../sql-type.js";
import { timestampAt } from "../values/datetime.js";
import { fault } from "../values/fault.js";
import { compareCodePoints, equalJson, parseJson } from "../values/json-tree.js";
import { type Definition, type DefinitionOptions, define, prepared } from "./definition.js";

// biome-ignore lint/suspicious/noExplicitAny: each comparison takes the values of its own types
type Compare = (a: any, b: any) => number;

/** NaN is equal to itself and greater than everything; 0 and -0 are equal. */
export function compareFloats(a: number, b: number): number {
  if (a < b) return -1;
  if (a > b) return 1;
  if (a === b) return 0;
  return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
}

const compareNumerics: Compare = (a: Numeric, b: Numeric) => a.compare(b);
const compareTimestamps: Compare = (a: Timestamp, b: Timestamp) => a.compare(b);
const compareIntervals: Compare = (a: Interval, b: Interval) => a.compare(b);
/** Numbers and bigints, also one with the other. */
const compareIntegers: Compare = (a: number | bigint, b: number | bigint) =>
  a < b ? -1 : a > b ? 1 : 0;
const compareBools: Compare = (a: boolean, b: boolean) => Number(a) - Number(b);
const compareBytes: Compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
const comparePadded: Compare = (a: string, b: string) =>
  compareCodePoints(trimPadding(a), trimPadding(b));

/** character(n) does not count the blanks at its end. */
export function trimPadding(text: string): string {
  return text.endsWith(" ") ? text.replace(/ +$/, "") : text;
}

/** A date past what a timestamp can hold still compares. */
function compareDateWithTimestamp(date: number, timestamp: Timestamp): number {
  const FIRST_TOO_LATE = 106_762_940;
  if (!Number.isFinite(date)) return Timestamp.of(date).compare(timestamp);
  if (date >= FIRST_TOO_LATE) return timestamp.epochMs === Number.POSITIVE_INFINITY ? -1 : 1;
  return timestampAt(date, 0).compare(timestamp);
}

function comparison(
  types: readonly [SqlType, SqlType],
  compare: Compare,
  options: DefinitionOptions = {},
): Definition[] {
  const [a, b] = types;
  const collates = options.collates;
  const equality = collates === undefined ? {} : { collates: "equality" as const };
  const operator = (name: string, holds: (order: number) => boolean): Definition =>
    define(`${name}(${a},${b})`, "bool", {
      ...options,
      ...(name === "=" || name === "<>" ? equality : {}),
      run: (x, y) => holds(compare(x, y)),
    });
  return [
    operator("=", (order) => order === 0),
    operator("<>", (order) => order !== 0),
    operator("<", (order) => order < 0),
    operator("<=", (order) => order <= 0),
    operator(">", (order) => order > 0),
    operator(">=", (order) => order >= 0),
  ];
}

/** Numbers of JavaScript that are never NaN compare in one instruction. */
function plainNumbers(types: readonly [SqlType, SqlType]): Definition[] {
  const on = `(${types.join(",")})`;
  return [
    define(`=${on}`, "bool", (a: number, b: number) => a === b),
    define(`<>${on}`, "bool", (a: number, b: number) => a !== b),
    define(`<${on}`, "bool", (a: number, b: number) => a < b),
    define(`<=${on}`, "bool", (a: number, b: number) => a <= b),
    define(`>${on}`, "bool", (a: number, b: number) => a > b),
    define(`>=${on}`, "bool", (a: number, b: number) => a >= b),
  ];
}

const INTEGERS = ["int2", "int4", "int8"] as const;
const FLOATS = ["float4", "float8"] as const;
const same = (type: SqlType): [SqlType, SqlType] => [type, type];
const swapped =
  (compare: Compare): Compare =>
  (a, b) =>
    -compare(b, a);

/** The comparison of two values of one type, for what sorts: GREATEST, array equality. */
export function comparerOf(type: SqlType): Compare | null {
  switch (type) {
    case "int2":
    case "int4":
    case "int8":
    case "date":
    case "time":
      return compareIntegers;
    case "float4":
    case "float8":
      return compareFloats;
    case "numeric":
      return compareNumerics;
    case "bool":
      return compareBools;
    case "timestamp":
    case "timestamptz":
      return compareTimestamps;
    case "interval":
      return compareIntervals;
    case "text":
    case "varchar":
      return compareCodePoints;
    case "bpchar":
      return comparePadded;
    case "uuid":
    case "bytea":
      return compareBytes;
    default:
      return rankComparer(type);
  }
}

/** Labels of an enum compare by their place in it; null for another type. */
function rankComparer(type: SqlType): Compare | null {
  const labels = enumOf(type)?.labels;
  if (labels === undefined) return null;
  const ranks = new Map(labels.map((label, rank) => [label, rank]));
  return (a: string, b: string) => rank(ranks, a) - rank(ranks, b);
}

function rank(ranks: ReadonlyMap<string, number>, label: string): number {
  const known = ranks.get(label);
  if (known !== undefined) return known;
  const sentence = "A label was added to an enum after the start; start anew to learn its place.";
  throw fault("invalid_text_representation", sentence);
}

function enumOrder(name: string, holds: (order: number) => boolean): Definition {
  return prepared(`${name}(anyenum,anyenum)`, "bool", {
    canFail: true,
    prepare: ({ types }) => {
      const compare = comparerOf(types[0] as SqlType) as Compare;
      return (a, b) => holds(compare(a, b));
    },
  });
}

export const COMPARISONS: readonly Definition[] = [
  ...INTEGERS.flatMap((a) =>
    INTEGERS.flatMap((b) =>
      a === "int8" || b === "int8" ? comparison([a, b], compareIntegers) : plainNumbers([a, b]),
    ),
  ),
  ...FLOATS.flatMap((a) => FLOATS.flatMap((b) => comparison([a, b], compareFloats))),
  ...comparison(same("numeric"), compareNumerics),
  ...comparison(same("bool"), compareBools),
  ...comparison(same("text"), compareCodePoints, { collates: "order" }),
  ...comparison(same("bpchar"), comparePadded, { collates: "order" }),
  ...comparison(same("uuid"), compareBytes),
  ...comparison(same("bytea"), compareBytes),
  ...plainNumbers(same("date")),
  ...plainNumbers(same("time")),
  ...comparison(same("timestamp"), compareTimestamps),
  ...comparison(same("timestamptz"), compareTimestamps),
  ...comparison(["timestamp", "timestamptz"], compareTimestamps, { isStable: true }),
  ...comparison(["timestamptz", "timestamp"], compareTimestamps, { isStable: true }),
  ...comparison(["date", "timestamp"], compareDateWithTimestamp),
  ...comparison(["timestamp", "date"], swapped(compareDateWithTimestamp)),
  ...comparison(["date", "timestamptz"], compareDateWithTimestamp, { isStable: true }),
  ...comparison(["timestamptz", "date"], swapped(compareDateWithTimestamp), { isStable: true }),
  ...comparison(same("interval"), compareIntervals),
  define("=(anyenum,anyenum)", "bool", (a: string, b: string) => a === b),
  define("<>(anyenum,anyenum)", "bool", (a: string, b: string) => a !== b),
  enumOrder("<", (order) => order < 0),
  enumOrder("<=", (order) => order <= 0),
  enumOrder(">", (order) => order > 0),
  enumOrder(">=", (order) => order >= 0),
  define("=(jsonb,jsonb)", "bool", (a: string, b: string) => equalTexts(a, b)),
  define("<>(jsonb,jsonb)", "bool", (a: string, b: string) => !equalTexts(a, b)),
];

/** Canonical texts that are equal are equal values; others may still hold equal numbers. */
function equalTexts(a: string, b: string): boolean {
  return a === b || equalJson(parseJson(a), parseJson(b));
}
