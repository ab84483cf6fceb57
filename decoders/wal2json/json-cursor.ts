import { TidemarkError } from "../../src/core/errors.js";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_OBJECT = 0x7b;
const CLOSE_OBJECT = 0x7d;
const OPEN_ARRAY = 0x5b;
const CLOSE_ARRAY = 0x5d;
const LOWER_U = 0x75;

/** Kinds of scalar, as small integers for the arrays of fields. */
export const Scalar = { null: 0, true: 1, false: 2, number: 3, string: 4 } as const;
export type Scalar = (typeof Scalar)[keyof typeof Scalar];

/**
 * A cursor over one message of JSON. It makes no values: a scalar is the stretch of bytes that it
 * stands in, so that digits stay as PostgreSQL printed them. Every step is checked against the
 * message's end, and what is not the JSON that is asked for is a PROTOCOL error with its offset.
 */
export class JsonCursor {
  bytes: Uint8Array = new Uint8Array(0);
  at = 0;
  end = 0;
  /** Of the scalar read last: what it is, and where its content stands (without quotes). */
  kind: Scalar = Scalar.null;
  from = 0;
  to = 0;
  /** Whether the string read last has backslashes. */
  hasEscapes = false;
  /** First byte of the message's action, once it was read; 0 before. */
  tag = 0;
  #start = 0;

  reset(bytes: Uint8Array, start: number, end: number): void {
    this.bytes = bytes;
    this.at = start;
    this.end = end;
    this.tag = 0;
    this.#start = start;
  }

  enterObject(): void {
    this.#expect(OPEN_OBJECT, "an object");
  }

  /** Goes to the next member and reads its name; false at the end of the object. */
  nextMember(isFirst: boolean): boolean {
    if (this.#isEnd(CLOSE_OBJECT, isFirst)) return false;
    this.#string();
    this.#expect(COLON, "a colon");
    return true;
  }

  enterArray(): void {
    this.#expect(OPEN_ARRAY, "an array");
  }

  /** Goes to the next element; false at the end of the array. */
  nextElement(isFirst: boolean): boolean {
    return !this.#isEnd(CLOSE_ARRAY, isFirst);
  }

  /** Reads a string, a number, true, false or null. */
  scalar(): void {
    this.#space();
    const byte = this.at < this.end ? this.bytes[this.at] : -1;
    if (byte === QUOTE) this.#string();
    else if (byte === 0x6e) this.#word("null", Scalar.null);
    else if (byte === 0x74) this.#word("true", Scalar.true);
    else if (byte === 0x66) this.#word("false", Scalar.false);
    else this.#number();
  }

  /** The string read last. */
  text(): string {
    const plain = (this.bytes as Buffer).toString("utf8", this.from, this.to);
    if (!this.hasEscapes) return plain;
    const content = Buffer.allocUnsafe(this.to - this.from);
    return content.toString("utf8", 0, writeUnescaped(this, content, 0));
  }

  /** Passes over a value, however deep it is nested. */
  skip(): void {
    for (let depth = 0; ; ) {
      this.#space();
      const byte = this.at < this.end ? this.bytes[this.at] : -1;
      if (byte === OPEN_OBJECT || byte === OPEN_ARRAY) depth++;
      const isClose = byte === CLOSE_OBJECT || byte === CLOSE_ARRAY;
      if (isClose && --depth < 0) throw this.error("a value is missing");
      const isMark = (byte === COMMA || byte === COLON) && depth > 0;
      if (isClose || isMark || byte === OPEN_OBJECT || byte === OPEN_ARRAY) this.at++;
      else this.scalar();
      if (depth === 0) return;
    }
  }

  /** Throws unless nothing but white space is left. */
  finish(): void {
    this.#space();
    if (this.at !== this.end) throw this.error(`${this.end - this.at} bytes too many`);
  }

  /** A PROTOCOL error that says what was wrong, in which message, and where. */
  error(problem: string): TidemarkError {
    const bytes = this.end - this.#start;
    const offset = this.at - this.#start;
    const name = this.tag > 32 && this.tag < 127 ? ` "${String.fromCharCode(this.tag)}"` : "";
    return new TidemarkError(
      "PROTOCOL",
      `wal2json message${name}: ${problem}, at byte ${offset} of ${bytes}.`,
      { detail: { tag: this.tag, offset, bytes } },
    );
  }

  #space(): void {
    const { bytes, end } = this;
    let { at } = this;
    for (; at < end; at++) {
      const byte = bytes[at] as number;
      if (byte !== 0x20 && byte !== 0x0a && byte !== 0x0d && byte !== 0x09) break;
    }
    this.at = at;
  }

  #expect(byte: number, what: string): void {
    this.#space();
    if (this.at >= this.end || this.bytes[this.at] !== byte) throw this.error(`${what} is missing`);
    this.at++;
  }

  #isEnd(close: number, isFirst: boolean): boolean {
    this.#space();
    if (this.at < this.end && this.bytes[this.at] === close) {
      this.at++;
      return true;
    }
    if (!isFirst) this.#expect(COMMA, "a comma");
    return false;
  }

  #string(): void {
    this.#expect(QUOTE, "a string");
    const { bytes, end } = this;
    let { at } = this;
    this.from = at;
    this.hasEscapes = false;
    for (; ; at++) {
      const byte = at < end ? (bytes[at] as number) : -1;
      if (byte === QUOTE) break;
      if (byte === BACKSLASH) {
        this.hasEscapes = true;
        at++;
      } else if (byte < 0x20) {
        this.at = Math.min(at, end);
        throw this.error("a string without an end");
      }
    }
    this.kind = Scalar.string;
    this.to = at;
    this.at = at + 1;
  }

  #word(word: string, kind: Scalar): void {
    for (let i = 0; i < word.length; i++) {
      if (this.at + i >= this.end || this.bytes[this.at + i] !== word.charCodeAt(i)) {
        throw this.error("a value is missing");
      }
    }
    this.kind = kind;
    this.from = this.at;
    this.at += word.length;
    this.to = this.at;
  }

  /** A stretch of digits, signs, points and exponents; whether it is a number, its type decides. */
  #number(): void {
    const { bytes, end } = this;
    let { at } = this;
    for (; at < end; at++) {
      const byte = bytes[at] as number;
      const isDigit = byte >= 0x30 && byte <= 0x39;
      // + - . e E
      if (!isDigit && byte !== 0x2b && byte !== 0x2d && byte !== 0x2e && (byte | 32) !== 0x65)
        break;
    }
    if (at === this.at) throw this.error("a value is missing");
    this.kind = Scalar.number;
    this.from = this.at;
    this.to = at;
    this.at = at;
  }
}

const SIMPLE: ReadonlyMap<number, number> = new Map([
  [QUOTE, QUOTE],
  [BACKSLASH, BACKSLASH],
  [0x2f, 0x2f],
  [0x62, 8],
  [0x66, 12],
  [0x6e, 10],
  [0x72, 13],
  [0x74, 9],
]);

/**
 * Writes the content of a string to `out` and returns where it ends: it takes at most the bytes
 * that it took escaped. An escape that JSON does not have is left as it stands.
 */
export function writeUnescaped(
  { bytes, from, to }: Pick<JsonCursor, "bytes" | "from" | "to">,
  out: Buffer,
  at: number,
): number {
  let end = at;
  for (let i = from; i < to; i++) {
    const byte = bytes[i] as number;
    if (byte !== BACKSLASH) {
      out[end++] = byte;
      continue;
    }
    const next = i + 1 < to ? (bytes[i + 1] as number) : 0;
    const simple = SIMPLE.get(next);
    const unit = next === LOWER_U ? codeUnit(bytes, i + 2, to) : -1;
    if (simple !== undefined) {
      out[end++] = simple;
      i++;
    } else if (unit >= 0) {
      i += 5;
      const isPair = bytes[i + 1] === BACKSLASH && bytes[i + 2] === LOWER_U;
      const low = isPair ? codeUnit(bytes, i + 3, to) : -1;
      const isSurrogate = unit >= 0xd800 && unit < 0xdc00 && low >= 0xdc00 && low < 0xe000;
      if (isSurrogate) i += 6;
      const character = isSurrogate ? String.fromCharCode(unit, low) : String.fromCharCode(unit);
      end += out.write(character, end); // a surrogate without its other half becomes U+FFFD
    } else out[end++] = byte;
  }
  return end;
}

/** Four hexadecimal digits as a number; -1 when they are none. */
function codeUnit(bytes: Uint8Array, from: number, to: number): number {
  if (from + 4 > to) return -1;
  let unit = 0;
  for (let i = from; i < from + 4; i++) {
    const byte = bytes[i] as number;
    const lower = byte | 32;
    const digit =
      byte >= 48 && byte <= 57 ? byte - 48 : lower >= 97 && lower <= 102 ? lower - 87 : -1;
    if (digit < 0) return -1;
    unit = unit * 16 + digit;
  }
  return unit;
}
