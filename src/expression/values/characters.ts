// Characters are code points, as in PostgreSQL with UTF-8; JavaScript counts UTF-16 units.
import { fault } from "./fault.js";

const SURROGATE = /[\ud800-\udfff]/;
/** Results that grow past this are errors: an expression must not be able to fill the memory. */
const MAX_TEXT_UNITS = 4 * 1024 * 1024;

/** How many characters a text has. */
export function characterCount(text: string): number {
  let count = text.length;
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i);
    if (unit >= 0xd800 && unit <= 0xdbff) count--;
  }
  return count;
}

/** The characters from `from` up to, not including, `to`, counted from 0. */
export function sliceCharacters(text: string, from: number, to: number): string {
  if (!SURROGATE.test(text)) return text.slice(from, to);
  return [...text].slice(from, to).join("");
}

/** How many characters stand before the unit at `index`. */
export function charactersBefore(text: string, index: number): number {
  return characterCount(text.slice(0, index));
}

/** The same text, if it is not too long to go on with. */
export function bounded(text: string): string {
  if (text.length <= MAX_TEXT_UNITS) return text;
  throw tooLong();
}

/** Refuses a length before anything of it is made. */
export function checkLength(units: number): void {
  if (units > MAX_TEXT_UNITS) throw tooLong();
}

function tooLong(): Error {
  return fault("program_limit_exceeded", "A text grew past 4 MiB.");
}

/** How letters change case: `ascii` knows A to Z only, as the collation C does. */
export interface Letters {
  lower(text: string): string;
  upper(text: string): string;
  isLetter(character: string): boolean;
  isDigit(character: string): boolean;
}

const ASCII: Letters = {
  lower: (text) => text.replace(/[A-Z]+/g, (run) => run.toLowerCase()),
  upper: (text) => text.replace(/[a-z]+/g, (run) => run.toUpperCase()),
  isLetter: (character) => /^[A-Za-z]$/.test(character),
  isDigit: (character) => /^[0-9]$/.test(character),
};

/** One character at a time: what would become several stays as it is (simple case mapping). */
const UNICODE: Letters = {
  lower: (text) => mapped(text, (character) => character.toLowerCase()),
  upper: (text) => mapped(text, (character) => character.toUpperCase()),
  isLetter: (character) => /^\p{Alphabetic}$/u.test(character),
  isDigit: (character) => /^[0-9]$/.test(character),
};

const DOTTED_I = "\u0130";

function mapped(text: string, map: (character: string) => string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the ASCII range is meant
  if (/^[\x00-\x7f]*$/.test(text)) return map(text);
  let result = "";
  for (const character of text) {
    const changed = map(character);
    const isOne = changed.length === ((changed.codePointAt(0) ?? 0) > 0xffff ? 2 : 1);
    result += isOne ? changed : character === DOTTED_I ? "i" : character;
  }
  return result;
}

/** What counts as a letter under a collation. */
export function lettersOf(collation: string | null): Letters {
  return collation === "C" || collation === "POSIX" ? ASCII : UNICODE;
}

/** The characters whose lower or upper case is `code`, itself included. */
export function formsBehind(letters: Letters, code: number): readonly number[] {
  let forms = FORMS.get(letters);
  if (forms === undefined) {
    forms = formsOf(letters);
    FORMS.set(letters, forms);
  }
  return forms.get(code) ?? [code];
}

/** Made once for each kind of letters: 1,400 pairs under Unicode's rules. */
const FORMS: WeakMap<Letters, ReadonlyMap<number, readonly number[]>> = new WeakMap();
/** No character behind the planes that have scripts in them has a case. */
const LAST_CASED = 0x1_ffff;

function formsOf(letters: Letters): ReadonlyMap<number, readonly number[]> {
  const forms = new Map<number, number[]>();
  for (let code = 0; code <= LAST_CASED; code++) {
    const character = String.fromCodePoint(code);
    for (const changed of [letters.lower(character), letters.upper(character)]) {
      if (changed === character) continue;
      const to = changed.codePointAt(0) as number;
      const known = forms.get(to);
      if (known === undefined) forms.set(to, [to, code]);
      else known.push(code);
    }
  }
  return forms;
}
