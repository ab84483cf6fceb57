// Arithmetic of float4 and float8: overflow and underflow are errors, as in float.c. Functions
// whose last digit depends on the machine's mathematics library (exp, ln, power, sin, …) are left
// out.
import type { SqlType } from "../sql-type.js";
import { fault } from "../values/fault.js";
import { roundEven } from "../values/interval-text.js";
import { outOfRange } from "../values/numbers-text.js";
import { type Definition, define, fallible } from "./definition.js";
import { divisionByZero } from "./integers.js";

type Rounding = (value: number) => number;
const double: Rounding = (value) => value;

function added(result: number, a: number, b: number): number {
  if (!Number.isFinite(result) && Number.isFinite(a) && Number.isFinite(b)) throw outOfRange();
  return result;
}

function multiplied(result: number, a: number, b: number): number {
  if (!Number.isFinite(result) && Number.isFinite(a) && Number.isFinite(b)) throw outOfRange();
  if (result === 0 && a !== 0 && b !== 0) throw outOfRange();
  return result;
}

function divided(round: Rounding, a: number, b: number): number {
  if (b === 0 && !Number.isNaN(a)) throw divisionByZero();
  const result = round(a / b);
  if (!Number.isFinite(result) && Number.isFinite(a) && Number.isFinite(b)) throw outOfRange();
  if (result === 0 && a !== 0 && Number.isFinite(b)) throw outOfRange();
  return result;
}

function arithmetic(a: SqlType, b: SqlType): Definition[] {
  const isSingle = a === "float4" && b === "float4";
  const result = isSingle ? "float4" : "float8";
  const round = isSingle ? Math.fround : double;
  const on = `(${a},${b})`;
  return [
    fallible(`+${on}`, result, (x: number, y: number) => added(round(x + y), x, y)),
    fallible(`-${on}`, result, (x: number, y: number) => added(round(x - y), x, y)),
    fallible(`*${on}`, result, (x: number, y: number) => multiplied(round(x * y), x, y)),
    fallible(`/${on}`, result, (x: number, y: number) => divided(round, x, y)),
  ];
}

function unary(type: "float4" | "float8"): Definition[] {
  return [
    define(`-(${type})`, type, (a: number) => -a),
    define(`+(${type})`, type, (a: number) => a),
    define(`@(${type})`, type, (a: number) => Math.abs(a)),
    define(`abs(${type})`, type, (a: number) => Math.abs(a)),
  ];
}

/** float.c, width_bucket_float8. */
function widthBucket(operand: number, low: number, high: number, count: number): number {
  const bad = (sentence: string): Error => fault("invalid_argument_for_width_bucket", sentence);
  if (count <= 0) throw bad("width_bucket() takes a count greater than zero.");
  if ([operand, low, high].some(Number.isNaN)) throw bad("width_bucket() takes no NaN.");
  if (!Number.isFinite(low) || !Number.isFinite(high)) {
    throw bad("width_bucket() takes finite bounds.");
  }
  if (low === high) throw bad("width_bucket() takes a lower bound that differs from the upper.");
  const isRising = low < high;
  if (isRising ? operand < low : operand > low) return 0;
  if (isRising ? operand >= high : operand <= high) {
    if (count === 2_147_483_647) throw outOfRange();
    return count + 1;
  }
  const fraction = Number.isFinite(high - low)
    ? (operand - low) / (high - low)
    : (operand / 2 - low / 2) / (high / 2 - low / 2);
  const bucket = Math.trunc(count * fraction);
  return Math.min(bucket, count - 1) + 1;
}

function squareRoot(a: number): number {
  if (a < 0) {
    throw fault("invalid_argument_for_power", "The square root of a negative number is not real.");
  }
  return Math.sqrt(a);
}

const SIGN = (a: number): number => (a > 0 ? 1 : a < 0 ? -1 : 0);
const PAIRS = ["float4", "float8"] as const;

export const FLOAT_FUNCTIONS: readonly Definition[] = [
  ...PAIRS.flatMap((a) => PAIRS.flatMap((b) => arithmetic(a, b))),
  ...unary("float4"),
  ...unary("float8"),
  define("round(float8)", "float8", (a: number) => withSign(roundEven(a), a)),
  define("trunc(float8)", "float8", (a: number) => Math.trunc(a)),
  define("floor(float8)", "float8", (a: number) => Math.floor(a)),
  define("ceil(float8)", "float8", (a: number) => Math.ceil(a)),
  define("ceiling(float8)", "float8", (a: number) => Math.ceil(a)),
  define("sign(float8)", "float8", SIGN),
  fallible("sqrt(float8)", "float8", squareRoot),
  define("pi()", "float8", () => Math.PI),
  fallible("width_bucket(float8,float8,float8,int4)", "int4", widthBucket),
];

/** rint(-0.2) is -0. */
function withSign(rounded: number, value: number): number {
  return rounded === 0 && (value < 0 || Object.is(value, -0)) ? -0 : rounded;
}
