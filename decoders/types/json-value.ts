import { Numeric } from "../../src/core/numeric.js";

/** A number literal that a double may not hold: 16 digits or more, or an exponent. */
const SUSPECT = /\d[\d.]{15,}|\d[eE]/;
const EXPONENT = /\d[eE]/;
const LONG = 16;

/** How jsonb and json differ here: jsonb prints all digits, json may hold an exponent. */
export interface JsonForm {
  readonly hasExponents: boolean;
}

/**
 * Parses JSON without losing a digit: a number that a double does not hold exactly comes as a
 * Numeric, all others as numbers. `bytes[start, end)` are the bytes of `text`, in which long
 * numbers are found faster. Throws SyntaxError as JSON.parse does.
 */
export function parseJson(cell: JsonCell, text: string, { hasExponents }: JsonForm): unknown {
  const value: unknown = JSON.parse(text);
  if (!hasLongNumber(cell) && !(hasExponents && EXPONENT.test(text))) return value;
  return new LosslessReader(text).value();
}

/** Where the text lies. */
export interface JsonCell {
  readonly bytes: Uint8Array;
  readonly start: number;
  readonly end: number;
}

/** Whether there are 16 digits and points in a row; looks at every 16th byte only. */
function hasLongNumber({ bytes, start, end }: JsonCell): boolean {
  for (let at = start + LONG - 1; at < end; at += LONG) {
    if (!isDigit(bytes[at] as number)) continue;
    let from = at;
    while (from > start && isDigit(bytes[from - 1] as number)) from--;
    let to = at + 1;
    while (to < end && isDigit(bytes[to] as number)) to++;
    if (to - from >= LONG) return true;
  }
  return false;
}

function isDigit(byte: number): boolean {
  return (byte >= 48 && byte <= 57) || byte === 0x2e;
}

/** Reads a text that JSON.parse has accepted, so that only numbers need care. */
class LosslessReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** Nested with a stack of its own: JSON.parse takes depths that recursion would not. */
  value(): unknown {
    const stack: (unknown[] | Record<string, unknown>)[] = [];
    let key = "";
    for (;;) {
      const token = this.#next();
      let value: unknown;
      if (token === "{" || token === "[") {
        const container = token === "[" ? [] : {};
        add(stack.at(-1), key, container);
        stack.push(container);
        continue;
      }
      if (token === "}" || token === "]") {
        value = stack.pop();
        if (stack.length === 0) return value;
        continue;
      }
      if (token === ",") continue;
      if (this.#isKey(stack.at(-1), token)) {
        key = JSON.parse(token);
        continue;
      }
      value = scalar(token);
      if (stack.length === 0) return value;
      add(stack.at(-1), key, value);
    }
  }

  /** A string before a colon; the colon is passed over. */
  #isKey(container: unknown, token: string): boolean {
    if (container === undefined || Array.isArray(container) || token[0] !== '"') return false;
    this.#space();
    if (this.#text[this.#at] !== ":") return false;
    this.#at++;
    return true;
  }

  #next(): string {
    this.#space();
    const match = TOKEN;
    match.lastIndex = this.#at;
    const token = match.exec(this.#text)?.[0] ?? "";
    this.#at += token.length;
    return token;
  }

  #space(): void {
    while (" \t\n\r".includes(this.#text[this.#at] ?? "x")) this.#at++;
  }
}

const TOKEN = /[{}[\],]|"(?:[^"\\]|\\.)*"|[^\s{}[\],:"]+/y;

function add(container: unknown, key: string, value: unknown): void {
  if (container === undefined) return;
  if (Array.isArray(container)) container.push(value);
  else {
    // As JSON.parse does it: `__proto__` is a property like any other.
    const property = { value, writable: true, enumerable: true, configurable: true };
    Object.defineProperty(container, key, property);
  }
}

function scalar(token: string): unknown {
  const first = token.charCodeAt(0);
  const isNumber = first === 0x2d || (first >= 48 && first <= 57);
  const value: unknown = JSON.parse(token);
  if (!isNumber) return value;
  if (!SUSPECT.test(token)) return value;
  const number = value as number;
  if (!Number.isFinite(number)) return Numeric.parse(token);
  const exact = Numeric.parse(token);
  return exact.equals(Numeric.parse(String(number))) ? number : exact;
}
