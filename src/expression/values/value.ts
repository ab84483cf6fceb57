// What expressions compute with, and how each type's values are read from text and printed.
import type { Interval } from "../../core/interval.js";
import type { Numeric } from "../../core/numeric.js";
import type { Timestamp } from "../../core/timestamp.js";
import { type ElementType, elementOf, enumOf, type ScalarType, type SqlType } from "../sql-type.js";
import { parseArray, printArray } from "./array-text.js";
import { parseDate, parseTime, parseTimestamp, printDate, printTime } from "./datetime.js";
import { fault } from "./fault.js";
import { parseInterval } from "./interval-text.js";
import { parseJson, printJson } from "./json-tree.js";
import {
  parseDouble,
  parseInteger,
  parseNumeric,
  parseSingle,
  printDouble,
  printSingle,
} from "./numbers-text.js";

/**
 * A value by its type: int2, int4, floats, dates (days since 1970) and times (microseconds) are
 * numbers; int8 a bigint; text, uuid, bytea (`\x…`), json and jsonb (canonical text) and enums
 * (their labels) strings; an array an array of its elements' values. NULL is null.
 */
export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Numeric
  | Timestamp
  | Interval
  | readonly Value[];

const READERS: Readonly<Record<ScalarType, (text: string) => Value>> = {
  bool: readBool,
  int2: (text) => Number(parseInteger(text, 16)),
  int4: (text) => Number(parseInteger(text, 32)),
  int8: (text) => parseInteger(text, 64),
  numeric: parseNumeric,
  float4: parseSingle,
  float8: parseDouble,
  text: (text) => text,
  varchar: (text) => text,
  bpchar: (text) => text,
  bytea: readBytea,
  uuid: readUuid,
  date: parseDate,
  time: parseTime,
  timestamp: (text) => parseTimestamp(text, false),
  timestamptz: (text) => parseTimestamp(text, true),
  interval: parseInterval,
  json: (text) => {
    parseJson(text);
    return text;
  },
  jsonb: (text) => printJson(parseJson(text)),
};

const PRINTERS: Readonly<Partial<Record<ScalarType, (value: never) => string>>> = {
  bool: (value: boolean) => (value ? "t" : "f"),
  float4: printSingle,
  float8: printDouble,
  date: printDate,
  time: printTime,
  timestamp: (value: Timestamp) => value.toLocalString(),
};

/** The value of a type's text form. Throws EXPRESSION_FAILED when the text is none. */
export function readValue(type: SqlType, text: string): Value {
  const element = elementOf(type);
  return element === null
    ? readerOf(type as ElementType)(text)
    : parseArray(text, readerOf(element));
}

function readerOf(type: ElementType): (text: string) => Value {
  const labels = enumOf(type)?.labels;
  if (labels === undefined) return READERS[type as ScalarType];
  return (text) => {
    if (labels.includes(text)) return text;
    const some = labels.slice(0, 10).join(", ");
    throw fault("invalid_text_representation", `The text is no label of the enum, as ${some} are.`);
  };
}

/** A value, not NULL, as PostgreSQL's output function prints it. */
export function printValue(type: SqlType, value: Value): string {
  const element = elementOf(type);
  if (element !== null) {
    return printArray(value as readonly Value[], (item) => printValue(element, item));
  }
  const print = PRINTERS[type as ScalarType];
  return print === undefined ? String(value) : print(value as never);
}

function readBool(text: string): boolean {
  const word = text.trim().toLowerCase();
  const means = (name: string, least: number): boolean =>
    word.length >= least && name.startsWith(word);
  if (means("true", 1) || means("yes", 1) || word === "on" || word === "1") return true;
  if (means("false", 1) || means("no", 1) || means("off", 2) || word === "0") return false;
  throw fault("invalid_text_representation", "The text is no boolean.");
}

function readUuid(text: string): string {
  const inside = /^\{(.*)\}$/.exec(text)?.[1] ?? text;
  if (!/^[0-9a-f]{4}(?:-?[0-9a-f]{4}){7}$/i.test(inside)) {
    throw fault("invalid_text_representation", "The text is no uuid.");
  }
  const hex = inside.replaceAll("-", "").toLowerCase();
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    hex.slice(12, 16),
    hex.slice(16, 20),
    hex.slice(20),
  ].join("-");
}

function readBytea(text: string): string {
  if (/^\\x(?:[0-9a-f]{2})*$/i.test(text)) return text.toLowerCase();
  throw fault("invalid_text_representation", "Write bytea in hexadecimal, '\\x1f00'.");
}
