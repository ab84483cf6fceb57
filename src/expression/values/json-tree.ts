// A jsonb value at run time is its canonical text, the text that PostgreSQL prints: keys sorted and
// each once, one space after `:` and `,`. Parts of a canonical text are canonical, so that paths
// are substrings (json-path.ts); what has to look inside parses it into a tree, exact in its
// numbers.
import { Numeric } from "../../core/numeric.js";
import { fault } from "./fault.js";

export type JsonTree =
  | null
  | boolean
  | string
  | Numeric
  | readonly JsonTree[]
  | ReadonlyMap<string, JsonTree>;

// Far above what documents have; it bounds the parser's own recursion.
const MAX_DEPTH = 500;

/** Parses JSON text; EXPRESSION_FAILED when it is none. The later of two equal keys wins. */
export function parseJson(text: string): JsonTree {
  const parser = new JsonParser(text);
  return parser.document();
}

/** The canonical text of a tree. */
export function printJson(tree: JsonTree): string {
  if (tree === null) return "null";
  if (typeof tree === "boolean") return tree ? "true" : "false";
  if (typeof tree === "string") return quoteJson(tree);
  if (tree instanceof Numeric) return tree.toString();
  if (isArray(tree)) return `[${tree.map(printJson).join(", ")}]`;
  const pairs = [...tree].sort(([a], [b]) => compareKeys(a, b));
  return `{${pairs.map(([key, value]) => `${quoteJson(key)}: ${printJson(value)}`).join(", ")}}`;
}

/** Array.isArray does not narrow readonly arrays. */
export function isArray(tree: JsonTree): tree is readonly JsonTree[] {
  return Array.isArray(tree);
}

/** A string as jsonb prints it. */
export function quoteJson(text: string): string {
  // JSON.stringify writes lone surrogates as escapes; PostgreSQL's strings have none.
  return JSON.stringify(text);
}

/** jsonb keeps keys by length in bytes, then by their bytes. */
function compareKeys(a: string, b: string): number {
  return byteLength(a) - byteLength(b) || compareCodePoints(a, b);
}

/** Length in UTF-8. */
export function byteLength(text: string): number {
  return Buffer.byteLength(text);
}

/** The order of UTF-8 bytes, which is that of code points. */
export function compareCodePoints(a: string, b: string): number {
  const length = Math.min(a.length, b.length);
  for (let i = 0; i < length; i++) {
    const x = a.charCodeAt(i);
    const y = b.charCodeAt(i);
    if (x === y) continue;
    // A surrogate stands for a code point past every unit that is none.
    const isX = x >= 0xd800 && x <= 0xdfff;
    const isY = y >= 0xd800 && y <= 0xdfff;
    return isX === isY ? x - y : isX ? 1 : -1;
  }
  return a.length - b.length;
}

/** Equality of jsonb: numbers by value, not by their digits. */
export function equalJson(a: JsonTree, b: JsonTree): boolean {
  if (a instanceof Numeric) return b instanceof Numeric && a.equals(b);
  if (a === null || typeof a !== "object") return a === b;
  if (b === null || typeof b !== "object" || b instanceof Numeric) return false;
  if (isArray(a)) {
    return isArray(b) && a.length === b.length && a.every((x, i) => equalJson(x, b[i] ?? null));
  }
  if (isArray(b) || a.size !== b.size) return false;
  return [...a].every(([key, value]) => b.has(key) && equalJson(value, b.get(key) ?? null));
}

/** Whether `a @> b` below the top: structure by structure, array elements in any order. */
function containsInside(a: JsonTree, b: JsonTree): boolean {
  if (b === null || typeof b !== "object" || b instanceof Numeric) return equalJson(a, b);
  if (a === null || typeof a !== "object" || a instanceof Numeric) return false;
  if (isArray(b)) {
    return isArray(a) && b.every((wanted) => a.some((item) => containsInside(item, wanted)));
  }
  if (isArray(a)) return false;
  return [...b].every(([key, value]) => a.has(key) && containsInside(a.get(key) ?? null, value));
}

/** `a @> b`: an array also contains a scalar that is one of its elements. */
export function containsJson(a: JsonTree, b: JsonTree): boolean {
  const isScalar = b === null || typeof b !== "object" || b instanceof Numeric;
  if (isScalar && isArrayTree(a)) return a.some((item) => equalJson(item, b));
  return containsInside(a, b);
}

function isArrayTree(tree: JsonTree): tree is readonly JsonTree[] {
  return tree !== null && typeof tree === "object" && isArray(tree);
}

const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const SPACE = /[ \t\n\r]*/y;
// A string without escapes, which most are, is one match.
// biome-ignore lint/suspicious/noControlCharactersInRegex: JSON forbids them in strings
const PLAIN = /"([^"\\\x00-\x1f]*)"/y;

class JsonParser {
  readonly #text: string;
  #at = 0;
  #depth = 0;

  constructor(text: string) {
    this.#text = text;
  }

  document(): JsonTree {
    const tree = this.#value();
    this.#space();
    if (this.#at !== this.#text.length) throw malformed();
    return tree;
  }

  #value(): JsonTree {
    this.#space();
    switch (this.#text[this.#at]) {
      case "{":
        return this.#nested(() => this.#object());
      case "[":
        return this.#nested(() => this.#array());
      case '"':
        return this.#string();
      case "t":
        return this.#word("true", true);
      case "f":
        return this.#word("false", false);
      case "n":
        return this.#word("null", null);
      default:
        return this.#number();
    }
  }

  #nested<T>(read: () => T): T {
    if (++this.#depth > MAX_DEPTH) {
      throw fault("program_limit_exceeded", `A JSON value is nested deeper than ${MAX_DEPTH}.`);
    }
    this.#at++;
    const tree = read();
    this.#depth--;
    return tree;
  }

  #object(): JsonTree {
    const pairs = new Map<string, JsonTree>();
    if (this.#skips("}")) return pairs;
    do {
      this.#space();
      if (this.#text[this.#at] !== '"') throw malformed();
      const key = this.#string();
      if (!this.#skips(":")) throw malformed();
      pairs.set(key, this.#value());
    } while (this.#skips(","));
    if (!this.#skips("}")) throw malformed();
    return pairs;
  }

  #array(): JsonTree {
    const items: JsonTree[] = [];
    if (this.#skips("]")) return items;
    do items.push(this.#value());
    while (this.#skips(","));
    if (!this.#skips("]")) throw malformed();
    return items;
  }

  #string(): string {
    PLAIN.lastIndex = this.#at;
    const plain = PLAIN.exec(this.#text);
    if (plain !== null) {
      this.#at = PLAIN.lastIndex;
      return plain[1] ?? "";
    }
    let end = this.#at + 1;
    while (end < this.#text.length && this.#text[end] !== '"') {
      end += this.#text[end] === "\\" ? 2 : 1;
    }
    const quoted = this.#text.slice(this.#at, end + 1);
    this.#at = end + 1;
    let text: unknown;
    try {
      text = JSON.parse(quoted);
    } catch (error) {
      if (error instanceof SyntaxError) throw malformed();
      throw error;
    }
    if (typeof text !== "string" || /\p{Surrogate}/u.test(text)) throw malformed();
    if (text.includes("\0")) {
      throw fault("untranslatable_character", "A JSON string holds \\u0000, which text cannot.");
    }
    return text;
  }

  #number(): Numeric {
    NUMBER.lastIndex = this.#at;
    const match = NUMBER.exec(this.#text);
    if (match === null) throw malformed();
    this.#at = NUMBER.lastIndex;
    return Numeric.parse(match[0]);
  }

  #word<T>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) throw malformed();
    this.#at += word.length;
    return value;
  }

  #skips(sign: string): boolean {
    this.#space();
    if (this.#text[this.#at] !== sign) return false;
    this.#at++;
    return true;
  }

  #space(): void {
    SPACE.lastIndex = this.#at;
    SPACE.exec(this.#text);
    this.#at = SPACE.lastIndex;
  }
}

function malformed(): Error {
  return fault("invalid_text_representation", "The text is not JSON.");
}
