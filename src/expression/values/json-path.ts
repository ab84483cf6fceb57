// Steps into canonical jsonb text without parsing it: what is not asked for is only skipped.
import { quoteJson } from "./json-tree.js";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const AFTER_COLON = 2;

/** A stretch of a text; one instance is reused by its owner. */
export interface Stretch {
  start: number;
  end: number;
}

/** A key as it stands in canonical text, quotes and colon included. */
export function encodedKey(key: string): string {
  return `${quoteJson(key)}:`;
}

/** Where the value that begins at `at` ends. The text is canonical, so nothing is checked. */
function valueEnd(text: string, at: number): number {
  const first = text.charCodeAt(at);
  if (first === QUOTE) return stringEnd(text, at);
  if (first !== OPEN_OBJECT && first !== OPEN_ARRAY) return scalarEnd(text, at);
  let depth = 0;
  for (let i = at; ; i++) {
    const code = text.charCodeAt(i);
    if (code === QUOTE) i = stringEnd(text, i) - 1;
    else if (code === OPEN_OBJECT || code === OPEN_ARRAY) depth++;
    else if ((code === CLOSE_OBJECT || code === CLOSE_ARRAY) && --depth === 0) return i + 1;
    else if (i >= text.length) return i;
  }
}

function stringEnd(text: string, at: number): number {
  let end = text.indexOf('"', at + 1);
  while (end > 0 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
  return end < 0 ? text.length : end + 1;
}

/** Whether an odd number of backslashes stands before. */
function isEscaped(text: string, at: number): boolean {
  let i = at - 1;
  while (text.charCodeAt(i) === BACKSLASH) i--;
  return (at - 1 - i) % 2 === 1;
}

function scalarEnd(text: string, at: number): number {
  for (let i = at; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === COMMA || code === CLOSE_ARRAY || code === CLOSE_OBJECT) return i;
  }
  return text.length;
}

/** Narrows `at` to the value of a key ({@link encodedKey}); false when there is none. */
export function stepToKey(text: string, at: Stretch, key: string): boolean {
  if (text.charCodeAt(at.start) !== OPEN_OBJECT) return false;
  let i = at.start + 1;
  while (i < at.end && text.charCodeAt(i) === QUOTE) {
    if (text.startsWith(key, i)) {
      at.start = i + key.length + 1;
      at.end = valueEnd(text, at.start);
      return true;
    }
    i = valueEnd(text, stringEnd(text, i) + AFTER_COLON) + 2;
  }
  return false;
}

/** Narrows `at` to an element, from the end when negative; false when there is none. */
export function stepToIndex(text: string, at: Stretch, index: number): boolean {
  if (text.charCodeAt(at.start) !== OPEN_ARRAY) return false;
  const ends: number[] = [];
  let i = at.start + 1;
  if (text.charCodeAt(i) === CLOSE_ARRAY) return false;
  for (let k = 0; i < at.end; k++) {
    const end = valueEnd(text, i);
    if (k === index) {
      at.start = i;
      at.end = end;
      return true;
    }
    if (index < 0) ends.push(i, end);
    i = end + 2;
  }
  const last = ends.length + 2 * index;
  if (index >= 0 || last < 0) return false;
  at.start = ends[last] as number;
  at.end = ends[last + 1] as number;
  return true;
}

/** The value as `->>` gives it: strings without their quotes, JSON's null as NULL. */
export function textAt(text: string, { start, end }: Stretch): string | null {
  if (text.charCodeAt(start) === QUOTE) {
    const inside = text.slice(start + 1, end - 1);
    return inside.includes("\\") ? JSON.parse(text.slice(start, end)) : inside;
  }
  const value = text.slice(start, end);
  return value === "null" ? null : value;
}

/** Steps along a path of text elements as `#>` does: a number steps into an array. */
export function stepAlong(text: string, at: Stretch, path: readonly (string | null)[]): boolean {
  for (const step of path) {
    if (step === null) return false;
    if (text.charCodeAt(at.start) === OPEN_OBJECT) {
      if (!stepToKey(text, at, encodedKey(step))) return false;
      continue;
    }
    if (!/^\s*[+-]?\d{1,10}$/.test(step)) return false;
    if (!stepToIndex(text, at, Number(step))) return false;
  }
  return true;
}
