// Conversions between types: pg_cast's functions, and through text where PostgreSQL has none.
import type { Interval } from "../../core/interval.js";
import { Numeric } from "../../core/numeric.js";
import { Timestamp } from "../../core/timestamp.js";
import { castsImplicitly, categoryOf, elementOf, type SqlType } from "../sql-type.js";
import { characterCount, sliceCharacters } from "../values/characters.js";
import { checkedDay, DAY_MICROS, timestampAt } from "../values/datetime.js";
import { fault } from "../values/fault.js";
import { intervalOf, MICROS_PER_DAY } from "../values/interval.js";
import { roundEven } from "../values/interval-text.js";
import { parseJson } from "../values/json-tree.js";
import { floatToNumeric, outOfRange } from "../values/numbers-text.js";
import { printValue, readValue, type Value } from "../values/value.js";
import { trimPadding } from "./comparisons.js";
import type { Run } from "./definition.js";
import { int2, int4, int8 } from "./integers.js";
import { roundTo } from "./numerics.js";

/** How one type becomes another. */
export interface Conversion {
  readonly run: Run;
  /** Whether the session's time zone decides the result. */
  readonly isStable: boolean;
}

type Table = Readonly<Partial<Record<SqlType, Readonly<Partial<Record<SqlType, Run>>>>>>;

const same: Run = (value: Value) => value;
const finiteInteger = (value: number): number => {
  if (Number.isFinite(value)) return roundEven(value);
  throw outOfRange();
};
const wholeNumber = (value: Numeric): bigint => {
  if (!value.isFinite) {
    throw fault("feature_not_supported", "NaN and infinity are no integers.");
  }
  return roundTo(value, 0).unscaled;
};
const single = (value: number): number => {
  const rounded = Math.fround(value);
  if (!Number.isFinite(rounded) && Number.isFinite(value)) throw outOfRange();
  if (rounded === 0 && value !== 0) throw outOfRange();
  return rounded;
};
export const numericToDouble = (value: Numeric): number => {
  const double = value.toNumber();
  if (value.isFinite && !Number.isFinite(double)) throw outOfRange();
  if (double === 0 && value.sign !== 0) throw outOfRange();
  return double;
};
const smallToNumeric: Run = (value: number) => Numeric.of(value);
const toSmall = (within: (value: number) => number): Run => {
  return (value: bigint) => {
    const number = Number(value);
    return within(number);
  };
};

const NUMBERS: Table = {
  int2: { int4: same, int8: BigInt, numeric: smallToNumeric, float4: same, float8: same },
  int4: {
    ...{ int2, int8: BigInt, numeric: smallToNumeric, float4: Math.fround, float8: same },
    bool: (value: number) => value !== 0,
  },
  int8: {
    int2: toSmall(int2),
    int4: toSmall(int4),
    numeric: (value: bigint) => Numeric.of(value),
    float4: (value: bigint) => Math.fround(Number(value)),
    float8: Number,
  },
  numeric: {
    int2: (value: Numeric) => int2(Number(wholeNumber(value))),
    int4: (value: Numeric) => int4(Number(wholeNumber(value))),
    int8: (value: Numeric) => int8(wholeNumber(value)),
    float4: (value: Numeric) => single(numericToDouble(value)),
    float8: numericToDouble,
  },
  float4: {
    int2: (value: number) => int2(finiteInteger(value)),
    int4: (value: number) => int4(finiteInteger(value)),
    int8: (value: number) => int8(BigInt(finiteInteger(value))),
    numeric: (value: number) => floatToNumeric(value, 6),
    float8: same,
  },
  float8: {
    int2: (value: number) => int2(finiteInteger(value)),
    int4: (value: number) => int4(finiteInteger(value)),
    int8: (value: number) => int8(BigInt(finiteInteger(value))),
    numeric: (value: number) => floatToNumeric(value, 15),
    float4: single,
  },
  bool: { int4: (value: boolean) => Number(value) },
};

const dayOfTimestamp: Run = (value: Timestamp) =>
  value.isFinite ? checkedDay(Math.floor(value.epochMs / 86_400_000)) : value.epochMs;

const timeOfTimestamp: Run = (value: Timestamp) => {
  if (!value.isFinite) return null;
  const ms = value.epochMs - Math.floor(value.epochMs / 86_400_000) * 86_400_000;
  return ms * 1000 + value.micros;
};

const startOfDay: Run = (days: number) => timestampAt(days, 0);

const timeOfInterval: Run = (value: Interval) => {
  if (!value.isFinite) {
    throw fault("datetime_field_overflow", "An infinite interval has no time of day.");
  }
  const rest = Number(value.micros % MICROS_PER_DAY);
  return rest < 0 ? rest + DAY_MICROS : rest;
};

const TIMES: Table = {
  date: { timestamp: startOfDay, timestamptz: startOfDay },
  timestamp: { date: dayOfTimestamp, timestamptz: same, time: timeOfTimestamp },
  timestamptz: { date: dayOfTimestamp, timestamp: same, time: timeOfTimestamp },
  time: { interval: (micros: number) => intervalOf(0, 0, BigInt(micros)) },
  interval: { time: timeOfInterval },
};

/** jsonb to a scalar type: JSON's null becomes NULL (PostgreSQL 18; older ones refuse it). */
function fromJson(use: (tree: unknown) => Value | undefined): Run {
  return (text: string) => {
    const tree = parseJson(text);
    if (tree === null) return null;
    const value = use(tree);
    if (value !== undefined) return value;
    throw fault("invalid_parameter_value", "The jsonb value is of another type than its cast.");
  };
}

function fromJsonNumber(to: SqlType): Run {
  const convert = to === "numeric" ? same : (NUMBERS["numeric"]?.[to] ?? same);
  return fromJson((tree) => (tree instanceof Numeric ? convert(tree) : undefined));
}

const FROM_JSONB: Readonly<Partial<Record<SqlType, Run>>> = {
  bool: fromJson((tree) => (typeof tree === "boolean" ? tree : undefined)),
  numeric: fromJsonNumber("numeric"),
  int2: fromJsonNumber("int2"),
  int4: fromJsonNumber("int4"),
  int8: fromJsonNumber("int8"),
  float4: fromJsonNumber("float4"),
  float8: fromJsonNumber("float8"),
};

const STRINGS: readonly SqlType[] = ["text", "varchar", "bpchar"];
const ZONED: ReadonlySet<SqlType> = new Set(["timestamptz"]);
const DATED: ReadonlySet<SqlType> = new Set(["date", "time", "timestamp", "timestamptz"]);
/** Types whose text depends on settings: datestyle, intervalstyle, time zone. */
const STYLED: ReadonlySet<SqlType> = new Set([...DATED, "interval"]);

/** The conversion, or null when PostgreSQL has none. */
export function conversionOf(from: SqlType, to: SqlType): Conversion | null {
  const isString = (type: SqlType): boolean => STRINGS.includes(type);
  const through = (run: Run, isStable: boolean): Conversion => ({ run, isStable });
  if (from === to) return through(same, false);
  const direct = NUMBERS[from]?.[to] ?? TIMES[from]?.[to];
  if (direct !== undefined) {
    const crosses = ZONED.has(from) !== ZONED.has(to) && DATED.has(from) && DATED.has(to);
    return through(direct, crosses);
  }
  if (from === "jsonb" && FROM_JSONB[to] !== undefined) return through(FROM_JSONB[to], false);
  if (isString(from) && isString(to)) {
    return through(from === "bpchar" ? (text: string) => trimPadding(text) : same, false);
  }
  const [element, target] = [elementOf(from), elementOf(to)];
  if (element !== null && target !== null) {
    const inner = conversionOf(element, target);
    if (inner === null) return null;
    const run = (values: readonly Value[]): Value =>
      values.map((value) => (value === null ? null : inner.run(value)));
    return through(run, inner.isStable);
  }
  if (isString(to)) return through(printing(from), STYLED.has(elementOf(from) ?? from));
  if (isString(from)) {
    const trims = from === "bpchar";
    const run = (text: string): Value => readValue(to, trims ? trimPadding(text) : text);
    return through(run, STYLED.has(elementOf(to) ?? to));
  }
  if (from === "json" && to === "jsonb") return through((text) => readValue("jsonb", text), false);
  if (from === "jsonb" && to === "json") return through(same, false);
  return null;
}

/** boolean to text is a cast of its own: `true`, where the output function says `t`. */
function printing(from: SqlType): Run {
  if (from === "bool") return (value: boolean) => String(value);
  return (value: Value) => printValue(from, value);
}

/** Whether PostgreSQL converts when a value is passed, not only where a cast is written. */
export function convertsImplicitly(from: SqlType, to: SqlType): boolean {
  return castsImplicitly(from, to) && (categoryOf(from) !== "A" || conversionOf(from, to) !== null);
}

/** What `numeric(10,2)`, `varchar(5)` and `char(5)` do to a value; null for other types. */
export function modifierOf(type: SqlType, modifiers: readonly number[]): Run | null {
  const [first = 0, second = 0] = modifiers;
  switch (type) {
    case "numeric":
      return (value: Numeric) => fitNumeric(value, first, second);
    case "varchar":
      return (text: string) => sliceCharacters(text, 0, first);
    case "bpchar":
      return (text: string) => {
        const cut = sliceCharacters(text, 0, first);
        return cut + " ".repeat(Math.max(0, first - characterCount(cut)));
      };
    default:
      return null;
  }
}

function fitNumeric(value: Numeric, precision: number, scale: number): Numeric {
  if (value.isNaN) return value;
  if (!value.isFinite) throw outOfRange();
  const rounded = roundTo(value, scale);
  const limit = Numeric.parse(`1e${precision - scale}`);
  const magnitude = rounded.sign < 0 ? rounded.negate() : rounded;
  if (!magnitude.lessThan(limit)) throw outOfRange();
  return rounded;
}

/** The instant that means "now" as its type. */
export function instantOf(epochMs: number): Timestamp {
  const whole = Math.floor(epochMs);
  return Timestamp.of(whole, Math.round((epochMs - whole) * 1000));
}
