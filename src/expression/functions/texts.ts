// String functions and operators (manual, 9.4). Positions count characters from 1.
import { createHash } from "node:crypto";
import { elementOf, type SqlType } from "../sql-type.js";
import {
  bounded,
  characterCount,
  charactersBefore,
  checkLength,
  lettersOf,
  sliceCharacters,
} from "../values/characters.js";
import { fault } from "../values/fault.js";
import { byteLength } from "../values/json-tree.js";
import { printValue, type Value } from "../values/value.js";
import { conversionOf } from "./casts.js";
import { trimPadding } from "./comparisons.js";
import { type Definition, define, fallible, prepared } from "./definition.js";

function substring(text: string, from: number, length?: number): string {
  if (length === undefined) return sliceCharacters(text, Math.max(from, 1) - 1, text.length);
  if (length < 0) {
    throw fault("substring_error", "substring() takes no negative length.");
  }
  const end = from + length;
  return end <= 1 ? "" : sliceCharacters(text, Math.max(from, 1) - 1, end - 1);
}

function leftPart(text: string, n: number): string {
  const count = n < 0 ? Math.max(0, characterCount(text) + n) : n;
  return sliceCharacters(text, 0, count);
}

function rightPart(text: string, n: number): string {
  if (n === -2_147_483_648) return text; // it has no negative, and PostgreSQL goes on with it
  const all = characterCount(text);
  const count = n < 0 ? Math.max(0, all + n) : n;
  return sliceCharacters(text, Math.max(0, all - count), all);
}

/** What is to be put before or behind, or the text cut to the length. */
function padding(text: string, length: number, fill: string): string | null {
  checkLength(length);
  const missing = Math.max(0, length) - characterCount(text);
  if (missing <= 0) return null;
  if (fill === "") return "";
  return sliceCharacters(fill.repeat(Math.ceil(missing / characterCount(fill))), 0, missing);
}

function padLeft(text: string, length: number, fill = " "): string {
  const added = padding(text, length, fill);
  return added === null ? sliceCharacters(text, 0, Math.max(0, length)) : added + text;
}

function padRight(text: string, length: number, fill = " "): string {
  const added = padding(text, length, fill);
  return added === null ? sliceCharacters(text, 0, Math.max(0, length)) : text + added;
}

function trim(sides: "left" | "right" | "both"): (text: string, set?: string) => string {
  return (text, set = " ") => {
    const characters = [...text];
    const trimmed = new Set(set);
    let from = 0;
    let to = characters.length;
    if (sides !== "right") while (from < to && trimmed.has(characters[from] ?? "")) from++;
    if (sides !== "left") while (to > from && trimmed.has(characters[to - 1] ?? "")) to--;
    return characters.slice(from, to).join("");
  };
}

function repeat(text: string, count: number): string {
  if (count <= 0) return "";
  checkLength(text.length * count);
  return text.repeat(count);
}

function replace(text: string, from: string, to: string): string {
  if (from === "") return text;
  const parts = text.split(from);
  checkLength(text.length + parts.length * to.length);
  return parts.join(to);
}

function splitPart(text: string, separator: string, n: number): string {
  if (n === 0) throw fault("invalid_parameter_value", "split_part() counts from 1 or from -1.");
  if (text === "") return "";
  const parts = separator === "" ? [text] : text.split(separator);
  return parts.at(n > 0 ? n - 1 : n) ?? "";
}

function position(text: string, wanted: string): number {
  const at = text.indexOf(wanted);
  return at < 0 ? 0 : charactersBefore(text, at) + 1;
}

function translate(text: string, from: string, to: string): string {
  const targets = [...to];
  const map = new Map<string, string>();
  [...from].forEach((character, i) => {
    if (!map.has(character)) map.set(character, targets[i] ?? "");
  });
  return [...text].map((character) => map.get(character) ?? character).join("");
}

function overlay(text: string, piece: string, from: number, length?: number): string {
  if (from <= 0) throw fault("substring_error", "OVERLAY takes a position of at least 1.");
  const skipped = length ?? characterCount(piece);
  return bounded(substring(text, 1, from - 1) + piece + substring(text, from + skipped));
}

function character(code: number): string {
  const bad = (sentence: string): Error => fault("program_limit_exceeded", sentence);
  if (code < 0) throw fault("invalid_parameter_value", "chr() takes no negative code.");
  if (code === 0) throw bad("chr() takes a code greater than zero.");
  if (code > 0x10ffff || (code >= 0xd800 && code <= 0xdfff)) {
    throw bad("chr() takes the code of a character.");
  }
  return String.fromCodePoint(code);
}

/** Prints values of several types as concat() does, by their output functions. */
function printers(types: readonly SqlType[]): (value: Value, i: number) => string {
  return (value, i) => printValue(types[i] as SqlType, value);
}

/** Prints values as a cast to text does. */
function castToText(type: SqlType | undefined): (value: Value) => string {
  const cast = conversionOf(type as SqlType, "text");
  return (value) => cast?.run(value) as string;
}

function elementPrinter(type: SqlType | undefined): (value: Value) => string {
  const element = elementOf(type as SqlType) as SqlType;
  return (value) => printValue(element, value);
}

function stringToArray(text: string | null, separator: string | null, none: string | null): Value {
  if (text === null) return null;
  if (text === "") return [];
  const parts = separator === null ? [...text] : separator === "" ? [text] : text.split(separator);
  return parts.map((part) => (part === none ? null : part));
}

const CASES: readonly Definition[] = [
  prepared("lower(text)", "text", {
    collates: "ctype",
    prepare: ({ collation }) => lettersOf(collation).lower,
  }),
  prepared("upper(text)", "text", {
    collates: "ctype",
    prepare: ({ collation }) => lettersOf(collation).upper,
  }),
  prepared("initcap(text)", "text", {
    collates: "ctype",
    prepare: ({ collation }) => {
      const letters = lettersOf(collation);
      return (text: string) => {
        let isInside = false;
        let result = "";
        for (const one of text) {
          result += isInside ? letters.lower(one) : letters.upper(one);
          isInside = letters.isLetter(one) || letters.isDigit(one);
        }
        return result;
      };
    },
  }),
];

const LENGTHS: readonly Definition[] = [
  define("length(text)", "int4", characterCount),
  define("char_length(text)", "int4", characterCount),
  define("character_length(text)", "int4", characterCount),
  define("length(bpchar)", "int4", (a: string) => characterCount(trimPadding(a))),
  define("char_length(bpchar)", "int4", (a: string) => characterCount(trimPadding(a))),
  define("character_length(bpchar)", "int4", (a: string) => characterCount(trimPadding(a))),
  define("octet_length(text)", "int4", byteLength),
  define("octet_length(bpchar)", "int4", byteLength),
  define("bit_length(text)", "int4", (a: string) => byteLength(a) * 8),
  define("octet_length(bytea)", "int4", (a: string) => a.length / 2 - 1),
  define("length(bytea)", "int4", (a: string) => a.length / 2 - 1),
];

const PARTS: readonly Definition[] = [
  ...["substring", "substr"].flatMap((name) => [
    define(`${name}(text,int4)`, "text", (text: string, from: number) => substring(text, from)),
    fallible(`${name}(text,int4,int4)`, "text", substring),
  ]),
  define("left(text,int4)", "text", leftPart),
  define("right(text,int4)", "text", rightPart),
  fallible("lpad(text,int4)", "text", (text: string, n: number) => padLeft(text, n)),
  fallible("lpad(text,int4,text)", "text", padLeft),
  fallible("rpad(text,int4)", "text", (text: string, n: number) => padRight(text, n)),
  fallible("rpad(text,int4,text)", "text", padRight),
  ...(["left", "right", "both"] as const).flatMap((sides) => {
    const name = { left: "ltrim", right: "rtrim", both: "btrim" }[sides];
    const run = trim(sides);
    return [
      define(`${name}(text)`, "text", (text: string) => run(text)),
      define(`${name}(text,text)`, "text", run),
    ];
  }),
  fallible("split_part(text,text,int4)", "text", splitPart),
  fallible("overlay(text,text,int4)", "text", (a: string, b: string, n: number) =>
    overlay(a, b, n),
  ),
  fallible("overlay(text,text,int4,int4)", "text", overlay),
];

const SEARCHES: readonly Definition[] = [
  define("strpos(text,text)", "int4", { collates: "equality", run: position }),
  define("position(text,text)", "int4", { collates: "equality", run: position }),
  define("starts_with(text,text)", "bool", {
    collates: "equality",
    run: (text: string, start: string) => text.startsWith(start),
  }),
  define("^@(text,text)", "bool", {
    collates: "equality",
    run: (text: string, start: string) => text.startsWith(start),
  }),
];

const JOINS: readonly Definition[] = [
  fallible("||(text,text)", "text", (a: string, b: string) => bounded(a + b)),
  prepared("||(text,anynonarray)", "text", {
    canFail: true,
    isStable: true,
    prepare: ({ types }) => {
      const print = castToText(types[1]);
      return (a: string, b: Value) => bounded(a + print(b));
    },
  }),
  prepared("||(anynonarray,text)", "text", {
    canFail: true,
    isStable: true,
    prepare: ({ types }) => {
      const print = castToText(types[0]);
      return (a: Value, b: string) => bounded(print(a) + b);
    },
  }),
  prepared("concat(any)", "text", {
    ...{ isStrict: false, canFail: true, isStable: true, isVariadic: true },
    prepare: ({ types }) => {
      const print = printers(types);
      return (...values: Value[]) =>
        bounded(values.map((v, i) => (v === null ? "" : print(v, i))).join(""));
    },
  }),
  prepared("concat_ws(text,any)", "text", {
    ...{ isStrict: false, canFail: true, isStable: true, isVariadic: true },
    prepare: ({ types }) => {
      const print = printers(types);
      return (separator: string | null, ...values: Value[]) => {
        if (separator === null) return null;
        const texts = values.flatMap((v, i) => (v === null ? [] : [print(v, i + 1)]));
        return bounded(texts.join(separator));
      };
    },
  }),
  define("string_to_array(text,text)", "text[]", {
    ...{ isStrict: false, collates: "equality" as const },
    run: (text: string | null, separator: string | null) => stringToArray(text, separator, null),
  }),
  define("string_to_array(text,text,text)", "text[]", {
    ...{ isStrict: false, collates: "equality" as const },
    run: stringToArray,
  }),
  prepared("array_to_string(anyarray,text)", "text", {
    ...{ canFail: true, isStable: true },
    prepare: ({ types }) => {
      const print = elementPrinter(types[0]);
      return (items: readonly Value[], separator: string) =>
        bounded(items.flatMap((item) => (item === null ? [] : [print(item)])).join(separator));
    },
  }),
];

export const TEXT_FUNCTIONS: readonly Definition[] = [
  ...CASES,
  ...LENGTHS,
  ...PARTS,
  ...SEARCHES,
  ...JOINS,
  fallible("repeat(text,int4)", "text", repeat),
  define("replace(text,text,text)", "text", {
    ...{ canFail: true, collates: "equality" as const },
    run: replace,
  }),
  define("translate(text,text,text)", "text", translate),
  define("reverse(text)", "text", (text: string) => [...text].reverse().join("")),
  define("ascii(text)", "int4", (text: string) => text.codePointAt(0) ?? 0),
  fallible("chr(int4)", "text", character),
  define("md5(text)", "text", (text: string) => createHash("md5").update(text).digest("hex")),
];
