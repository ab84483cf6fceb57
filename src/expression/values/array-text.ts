// Text of one-dimensional arrays: `{1,2,NULL,"a b"}` (manual, 8.15.6).
import { fault } from "./fault.js";
import type { Value } from "./value.js";

const ITEM = /\s*(?:"((?:[^"\\]|\\[\s\S])*)"|((?:[^,{}"\\]|\\[\s\S])*))\s*([,}])/y;

/** Reads an array whose elements `read` reads. Several dimensions are refused. */
export function parseArray(text: string, read: (item: string) => Value): readonly Value[] {
  const trimmed = text.trim();
  if (trimmed.startsWith("[")) throw manyDimensions();
  if (!trimmed.startsWith("{")) throw malformed();
  if (/^\{\s*\}$/.test(trimmed)) return [];
  const values: Value[] = [];
  ITEM.lastIndex = 1;
  for (let isLast = false; !isLast; ) {
    if (/^\s*\{/.test(trimmed.slice(ITEM.lastIndex))) throw manyDimensions();
    const match = ITEM.exec(trimmed);
    if (match === null) throw malformed();
    const [, quoted, bare = "", end] = match;
    isLast = end === "}";
    const item = (quoted ?? bare.trim()).replace(/\\([\s\S])/g, "$1");
    if (quoted === undefined && item === "") throw malformed();
    values.push(quoted === undefined && /^null$/i.test(bare.trim()) ? null : read(item));
  }
  if (ITEM.lastIndex !== trimmed.length) throw malformed();
  return values;
}

/** The text of an array whose elements `print` prints. */
export function printArray(values: readonly Value[], print: (item: Value) => string): string {
  const items = values.map((value) => {
    if (value === null) return "NULL";
    const text = print(value);
    const isPlain = text !== "" && !/[{},"\\\s]/.test(text) && !/^null$/i.test(text);
    return isPlain ? text : `"${text.replace(/["\\]/g, "\\$&")}"`;
  });
  return `{${items.join(",")}}`;
}

function malformed(): Error {
  return fault("invalid_text_representation", "The text is no array.");
}

function manyDimensions(): Error {
  return fault(
    "feature_not_supported",
    "The array has several dimensions or bounds of its own; Tidemark reads plain ones.",
  );
}
