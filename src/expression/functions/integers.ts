// Arithmetic of int2, int4 and int8: results that do not fit are errors (int.c, int8.c).
import type { SqlType } from "../sql-type.js";
import { fault } from "../values/fault.js";
import { outOfRange } from "../values/numbers-text.js";
import { type Definition, define, fallible } from "./definition.js";

export function int2(value: number): number {
  if (value >= -32_768 && value <= 32_767) return value + 0; // + 0: -0 becomes 0
  throw outOfRange();
}

export function int4(value: number): number {
  if (value >= -2_147_483_648 && value <= 2_147_483_647) return value + 0;
  throw outOfRange();
}

export function int8(value: bigint): bigint {
  if (BigInt.asIntN(64, value) === value) return value;
  throw outOfRange();
}

export function divisionByZero(): Error {
  return fault("division_by_zero", "Division by zero.");
}

/** Products of two int4 may pass 2^53, but then they are out of range in any case. */
const SMALL: Readonly<Record<string, (a: number, b: number) => number>> = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "/": (a, b) => {
    if (b === 0) throw divisionByZero();
    return Math.trunc(a / b);
  },
};

const BIG: Readonly<Record<string, (a: bigint, b: bigint) => bigint>> = {
  "+": (a, b) => a + b,
  "-": (a, b) => a - b,
  "*": (a, b) => a * b,
  "/": (a, b) => {
    if (b === 0n) throw divisionByZero();
    return a / b;
  },
};

const WIDTH: Readonly<Record<string, number>> = { int2: 2, int4: 4, int8: 8 };
const INTEGERS = ["int2", "int4", "int8"] as const;

function arithmetic(a: SqlType, b: SqlType): Definition[] {
  const result = (WIDTH[a] ?? 0) >= (WIDTH[b] ?? 0) ? a : b;
  return ["+", "-", "*", "/"].map((name) => {
    const signature = `${name}(${a},${b})`;
    if (result === "int8") {
      const compute = BIG[name] as (a: bigint, b: bigint) => bigint;
      return fallible(signature, result, (x, y) => int8(compute(BigInt(x), BigInt(y))));
    }
    const compute = SMALL[name] as (a: number, b: number) => number;
    const within = result === "int2" ? int2 : int4;
    return fallible(signature, result, (x: number, y: number) => within(compute(x, y)));
  });
}

function greatestDivisor(a: bigint, b: bigint): bigint {
  let [x, y] = [a < 0n ? -a : a, b < 0n ? -b : b];
  while (y !== 0n) [x, y] = [y, x % y];
  return x;
}

function leastMultiple(a: bigint, b: bigint): bigint {
  if (a === 0n || b === 0n) return 0n;
  const product = (a / greatestDivisor(a, b)) * b;
  return product < 0n ? -product : product;
}

function small(type: "int2" | "int4"): Definition[] {
  const within = type === "int2" ? int2 : int4;
  const bits = type === "int2" ? 16 : 32;
  const modulo = (a: number, b: number): number => {
    if (b === 0) throw divisionByZero();
    return (a % b) + 0;
  };
  const asInt2 = (value: number): number => (value << 16) >> 16;
  const wrap = type === "int2" ? asInt2 : (value: number): number => value | 0;
  return [
    fallible(`%(${type},${type})`, type, modulo),
    fallible(`mod(${type},${type})`, type, modulo),
    fallible(`-(${type})`, type, (a: number) => within(-a)),
    define(`+(${type})`, type, (a: number) => a),
    fallible(`@(${type})`, type, (a: number) => within(Math.abs(a))),
    fallible(`abs(${type})`, type, (a: number) => within(Math.abs(a))),
    define(`&(${type},${type})`, type, (a: number, b: number) => a & b),
    define(`|(${type},${type})`, type, (a: number, b: number) => a | b),
    define(`#(${type},${type})`, type, (a: number, b: number) => a ^ b),
    define(`~(${type})`, type, (a: number) => ~a),
    define(`<<(${type},int4)`, type, (a: number, b: number) => wrap(shiftLeft(a, b, bits))),
    define(`>>(${type},int4)`, type, (a: number, b: number) => a >> (b & 31)),
  ];
}

/** C shifts an int; int2 is widened first, so that it may lose all its bits. */
function shiftLeft(a: number, b: number, bits: number): number {
  const by = b & 31;
  return bits === 16 && by >= 16 ? 0 : a << by;
}

const INT8: readonly Definition[] = [
  fallible("%(int8,int8)", "int8", moduloBig),
  fallible("mod(int8,int8)", "int8", moduloBig),
  fallible("-(int8)", "int8", (a: bigint) => int8(-a)),
  define("+(int8)", "int8", (a: bigint) => a),
  fallible("@(int8)", "int8", (a: bigint) => int8(a < 0n ? -a : a)),
  fallible("abs(int8)", "int8", (a: bigint) => int8(a < 0n ? -a : a)),
  define("&(int8,int8)", "int8", (a: bigint, b: bigint) => a & b),
  define("|(int8,int8)", "int8", (a: bigint, b: bigint) => a | b),
  define("#(int8,int8)", "int8", (a: bigint, b: bigint) => a ^ b),
  define("~(int8)", "int8", (a: bigint) => ~a),
  define("<<(int8,int4)", "int8", (a: bigint, b: number) => BigInt.asIntN(64, a << BigInt(b & 63))),
  define(">>(int8,int4)", "int8", (a: bigint, b: number) => a >> BigInt(b & 63)),
  fallible("gcd(int8,int8)", "int8", (a: bigint, b: bigint) => int8(greatestDivisor(a, b))),
  fallible("lcm(int8,int8)", "int8", (a: bigint, b: bigint) => int8(leastMultiple(a, b))),
  define("to_hex(int8)", "text", (a: bigint) => BigInt.asUintN(64, a).toString(16)),
];

function moduloBig(a: bigint, b: bigint): bigint {
  if (b === 0n) throw divisionByZero();
  return a % b;
}

export const INTEGER_FUNCTIONS: readonly Definition[] = [
  ...INTEGERS.flatMap((a) => INTEGERS.flatMap((b) => arithmetic(a, b))),
  ...small("int2"),
  ...small("int4"),
  ...INT8,
  fallible("gcd(int4,int4)", "int4", (a: number, b: number) =>
    int4(Number(greatestDivisor(BigInt(a), BigInt(b)))),
  ),
  fallible("lcm(int4,int4)", "int4", (a: number, b: number) =>
    int4(Number(leastMultiple(BigInt(a), BigInt(b)))),
  ),
  define("to_hex(int4)", "text", (a: number) => (a >>> 0).toString(16)),
];
