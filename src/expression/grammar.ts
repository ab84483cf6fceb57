// PostgreSQL's own grammar, as WebAssembly. It is loaded when the first expression is used: a
// pipeline without one never pays for it. Loading is the one thing here that takes waiting.
import type { Node } from "libpg-query";
import { TidemarkError } from "../core/errors.js";
import { invalidExpression } from "./expression-place.js";

/** A parsed expression, not checked: PostgreSQL's raw parse tree. */
export type RawNode = Node;

/** Turns text into raw trees. */
export interface Grammar {
  /** Throws EXPRESSION_INVALID, with line and column, for anything but one expression. */
  parse(text: string): RawNode;
}

// Far above what a person writes. The parser's stack holds some 3,000 levels, which the length
// bounds, too.
const MAX_BYTES = 8192;
const PREFIX = "SELECT ";

let loaded: Promise<Grammar> | null = null;

/** Loads the grammar once. */
export function loadGrammar(): Promise<Grammar> {
  loaded ??= import("libpg-query").then((library) =>
    library.loadModule().then(() => ({
      parse: (text: string) => parseExpression(text, library.parseSync, library.hasSqlDetails),
    })),
  );
  return loaded;
}

type ParseSync = typeof import("libpg-query").parseSync;
type HasDetails = typeof import("libpg-query").hasSqlDetails;

function parseExpression(text: string, parse: ParseSync, hasDetails: HasDetails): RawNode {
  if (Buffer.byteLength(text) > MAX_BYTES) {
    throw invalidExpression({ text, at: 0 }, `it is longer than ${MAX_BYTES} bytes.`);
  }
  if (text.includes("\0")) throw invalidExpression({ text, at: text.indexOf("\0") }, NOT_ONE);
  let statements: ReturnType<ParseSync>["stmts"];
  try {
    // The line break ends a comment that ends the text.
    statements = parse(`${PREFIX}${text}\n`).stmts;
  } catch (error) {
    if (hasDetails(error)) throw syntaxError(text, error);
    if (error instanceof RangeError) {
      throw invalidExpression({ text, at: 0 }, "it is nested too deep.");
    }
    throw new TidemarkError("EXPRESSION_INVALID", "The grammar cannot read this expression.", {
      cause: error,
    });
  }
  return onlyExpression(text, statements);
}

const NOT_ONE =
  "this is not one expression. Write what could stand in WHERE, without a name behind it.";

/** The one expression of the statement, which must have nothing else. */
function onlyExpression(text: string, statements: ReturnType<ParseSync>["stmts"]): RawNode {
  const [first, ...others] = statements ?? [];
  const select = first?.stmt !== undefined && "SelectStmt" in first.stmt && first.stmt.SelectStmt;
  const extra = select
    ? Object.keys(select).filter((key) => !["targetList", "limitOption", "op"].includes(key))
    : [];
  const [target, ...more] = select ? (select.targetList ?? []) : [];
  const result = target !== undefined && "ResTarget" in target ? target.ResTarget : undefined;
  const isOne =
    others.length === 0 && extra.length === 0 && more.length === 0 && select && result?.val;
  if (isOne && result.name === undefined && result.indirection === undefined) {
    return result.val as RawNode;
  }
  throw invalidExpression({ text, at: 0 }, text.trim() === "" ? "it is empty." : NOT_ONE);
}

/** The parser counts characters from 1, our prefix included. */
function syntaxError(
  text: string,
  error: Error & { sqlDetails?: { cursorPosition: number } },
): TidemarkError {
  const characters = [...text];
  const index = (error.sqlDetails?.cursorPosition ?? 0) - 1 - PREFIX.length;
  const at = characters.slice(0, Math.max(0, index)).join("").length;
  return invalidExpression({ text, at: Math.min(at, text.length) }, `${error.message}.`);
}

/** Turns the parser's byte offsets into offsets of UTF-16 units in the text. */
export function offsetReader(text: string): (location: number | undefined) => number {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the ASCII range is meant
  const isAscii = /^[\x00-\x7f]*$/.test(text);
  const bytes = isAscii ? null : Buffer.from(text);
  return (location) => {
    const at = Math.max(0, (location ?? 0) - PREFIX.length);
    return bytes === null ? at : bytes.subarray(0, at).toString().length;
  };
}
