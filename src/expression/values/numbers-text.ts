// Numbers as text, in both directions, as PostgreSQL 16 and later read and print them.
import { Numeric } from "../../core/numeric.js";
import { fault } from "./fault.js";

const SPACE = "[ \\t\\n\\v\\f\\r]*";
const DIGITS = "\\d(?:_?\\d)*";
const INTEGER = new RegExp(
  `^${SPACE}([+-]?)(${DIGITS}|0x_?[\\da-f](?:_?[\\da-f])*|0o_?[0-7](?:_?[0-7])*|0b_?[01](?:_?[01])*)${SPACE}$`,
  "i",
);
const DECIMAL = new RegExp(
  `^${SPACE}([+-]?(?:${DIGITS}\\.?(?:${DIGITS})?|\\.${DIGITS})(?:e[+-]?${DIGITS})?)${SPACE}$`,
  "i",
);
const FLOAT = new RegExp(`^${SPACE}([+-]?(?:\\d+\\.?\\d*|\\.\\d+)(?:e[+-]?\\d+)?)${SPACE}$`, "i");
const SPECIAL = new RegExp(`^${SPACE}([+-]?)(nan|inf|infinity)${SPACE}$`, "i");

/** Reads an integer of at most `bits` bits. */
export function parseInteger(text: string, bits: 16 | 32 | 64): bigint {
  const match = INTEGER.exec(text);
  if (match === null) throw malformed("an integer");
  const digits = (match[2] ?? "").replaceAll("_", "");
  // Leading zeros do not make a number octal, and BigInt() wants the prefix in lower case.
  const value = BigInt(digits.toLowerCase());
  const signed = match[1] === "-" ? -value : value;
  if (BigInt.asIntN(bits, signed) !== signed) throw outOfRange();
  return signed;
}

/** Reads a numeric. */
export function parseNumeric(text: string): Numeric {
  const match = DECIMAL.exec(text);
  if (match !== null) {
    const digits = (match[1] ?? "").replaceAll("_", "").replace(/^\+/, "");
    const exponent = Number(/e([+-]?\d+)$/i.exec(digits)?.[1] ?? 0);
    if (Math.abs(exponent) > 131_072 + 16_383) throw outOfRange();
    return checkedNumeric(digits);
  }
  const special = SPECIAL.exec(text);
  const word = special?.[2]?.toLowerCase();
  if (special === null || (word === "nan" && special[1] !== "")) throw malformed("a numeric");
  if (word === "nan") return Numeric.NaN;
  return special[1] === "-" ? Numeric.NegativeInfinity : Numeric.Infinity;
}

function checkedNumeric(digits: string): Numeric {
  const [mantissa = "", exponent = "0"] = digits.toLowerCase().split("e");
  const fraction = mantissa.split(".")[1] ?? "";
  const scale = fraction.length - Number(exponent);
  if (scale <= 16_383) {
    const value = Numeric.parse(digits);
    return value;
  }
  throw outOfRange();
}

/** Reads a double. */
export function parseDouble(text: string): number {
  const match = FLOAT.exec(text);
  if (match !== null) {
    const value = Number(match[1]);
    const isZero = /^[+-]?[0.]*(?:e|$)/i.test(match[1] ?? "");
    if (!Number.isFinite(value) || (value === 0 && !isZero)) throw outOfRange();
    return value;
  }
  return specialFloat(text);
}

/** Reads a single. */
export function parseSingle(text: string): number {
  const match = FLOAT.exec(text);
  if (match !== null) {
    const value = Math.fround(Number(match[1]));
    const isZero = /^[+-]?[0.]*(?:e|$)/i.test(match[1] ?? "");
    if (!Number.isFinite(value) || (value === 0 && !isZero)) throw outOfRange();
    return value;
  }
  return specialFloat(text);
}

function specialFloat(text: string): number {
  const special = SPECIAL.exec(text);
  if (special === null) throw malformed("a floating-point number");
  if (special[2]?.toLowerCase() === "nan") return Number.NaN;
  return special[1] === "-" ? Number.NEGATIVE_INFINITY : Number.POSITIVE_INFINITY;
}

/** A double's shortest exact text, in PostgreSQL's layout. */
export function printDouble(value: number): string {
  if (!Number.isFinite(value)) return specialText(value);
  return layOut(shortestDigits(value), value, 15);
}

/** A single's shortest exact text. */
export function printSingle(value: number): string {
  if (!Number.isFinite(value)) return specialText(value);
  const [below, above] = neighbourMiddles(value);
  for (let digits = 0; digits < 8; digits++) {
    const text = roundedDigits(value, digits + 1);
    const read = Number(text);
    if (read > below && read < above) return layOut(text, value, 6);
  }
  return layOut(value.toExponential(8), value, 6);
}

const single = new Float32Array(1);
const singleBits = new Int32Array(single.buffer);

/** Half way from a single to the ones next to it; doubles hold these exactly. */
function neighbourMiddles(value: number): [below: number, above: number] {
  const neighbour = (step: number): number => {
    single[0] = value;
    singleBits[0] = (singleBits[0] as number) + step;
    return single[0] as number;
  };
  if (value === 0) return [-(2 ** -150), 2 ** -150];
  const [inner, outer] = [(value + neighbour(-1)) / 2, (value + neighbour(1)) / 2];
  return value > 0 ? [inner, Math.min(outer, Number.MAX_VALUE)] : [outer, inner];
}

function specialText(value: number): string {
  return Number.isNaN(value) ? "NaN" : value > 0 ? "Infinity" : "-Infinity";
}

/**
 * The shortest digits that lie nearer to this double than to any other. JavaScript also takes
 * digits that lie exactly between two doubles when they read back as this one; PostgreSQL does not.
 * Such digits exist only for integers past 2^54.
 */
function shortestDigits(value: number): string {
  const text = value.toExponential();
  if (Math.abs(value) < 2 ** 54) return text;
  const exact = BigInt(value);
  const magnitude = exact < 0n ? -exact : exact;
  const ulp = 1n << BigInt(magnitude.toString(2).length - 53);
  const isBetween = (digits: string): boolean => {
    const difference = integerOf(digits) - exact;
    return (difference < 0n ? -difference : difference) * 2n === ulp;
  };
  if (!isBetween(text)) return text;
  const given = (text.split("e")[0] ?? "").replace(/[-.]/g, "").length;
  for (let digits = given; digits < 17; digits++) {
    const longer = value.toExponential(digits);
    if (Number(longer) === value && !isBetween(longer)) return longer;
  }
  return text;
}

function integerOf(text: string): bigint {
  const [mantissa = "", exponent = "0"] = text.split("e");
  const [whole = "", fraction = ""] = mantissa.split(".");
  return BigInt(`${whole}${fraction}`) * 10n ** BigInt(Number(exponent) - fraction.length);
}

/** Digits in scientific form as C's `%g` with that many digits would lay them out. */
function layOut(scientific: string, value: number, precision: number): string {
  const [mantissa = "", exponentText = "0"] = scientific.split("e");
  const exponent = Number(exponentText);
  const sign = value < 0 || Object.is(value, -0) ? "-" : "";
  const digits = mantissa.replace(/[-.]/g, "").replace(/0+$/, "") || "0";
  if (exponent < -4 || exponent >= precision) {
    const point = digits.length > 1 ? `${digits[0]}.${digits.slice(1)}` : digits;
    const size = String(Math.abs(exponent)).padStart(2, "0");
    return `${sign}${point}e${exponent < 0 ? "-" : "+"}${size}`;
  }
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  const whole = digits.slice(0, exponent + 1).padEnd(exponent + 1, "0");
  const fraction = digits.slice(exponent + 1);
  return `${sign}${whole}${fraction === "" ? "" : `.${fraction}`}`;
}

/** A float as numeric: 15 significant digits of a double, 6 of a single, as `%.15g` rounds them. */
export function floatToNumeric(value: number, precision: 15 | 6): Numeric {
  if (Number.isNaN(value)) return Numeric.NaN;
  if (!Number.isFinite(value)) return value > 0 ? Numeric.Infinity : Numeric.NegativeInfinity;
  const [mantissa = "", exponent = "0"] = roundedDigits(value, precision).split("e");
  const trimmed = mantissa.includes(".") ? mantissa.replace(/\.?0+$/, "") : mantissa;
  return Numeric.parse(`${trimmed}e${exponent}`);
}

/** toExponential rounds an exact tie away from zero; C rounds it to the even digit. */
function roundedDigits(value: number, precision: number): string {
  const rounded = value.toExponential(precision - 1);
  const long = value.toExponential(60);
  const digits = (long.split("e")[0] ?? "").replace(/[-.]/g, "");
  const isTie = /^50*$/.test(digits.slice(precision));
  const isEven = Number(digits[precision - 1]) % 2 === 0;
  if (!isTie || !isEven) return rounded;
  const kept = digits.slice(0, precision);
  return `${value < 0 ? "-" : ""}${kept[0]}.${kept.slice(1)}e${long.split("e")[1]}`;
}

export function outOfRange(): Error {
  return fault("numeric_value_out_of_range", "The value is out of the type's range.");
}

function malformed(what: string): Error {
  return fault("invalid_text_representation", `The text is not ${what}.`);
}
