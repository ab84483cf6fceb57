// Parses the part of PostgreSQL's advanced regular expressions (manual, 9.7.3) that a machine of
// states decides without ever going back: everything but backreferences and lookaround.
import { formsBehind, type Letters } from "../values/characters.js";
import { fault } from "../values/fault.js";

/** What one character is held against. */
export type CharacterTest = (codePoint: number) => boolean;

/** A position that holds between two characters. */
export type Assertion = "start" | "end" | "word start" | "word end" | "word edge" | "no word edge";

export type Regex =
  | { readonly kind: "character"; readonly test: CharacterTest }
  | { readonly kind: "assertion"; readonly assertion: Assertion }
  | { readonly kind: "sequence"; readonly items: readonly Regex[] }
  | { readonly kind: "choice"; readonly items: readonly Regex[] }
  | { readonly kind: "repeat"; readonly item: Regex; readonly min: number; readonly max: number };

/** A parsed pattern and what decides whether the place of a match is told apart, too. */
export interface ParsedRegex {
  readonly regex: Regex;
  /** A non-greedy quantifier: whether there is a match is known, where it ends is not. */
  readonly isLazy: boolean;
  readonly hasGroups: boolean;
}

const MAX_REPEAT = 255;
const MAX_NESTING = 100;

/** Parses a pattern. Throws EXPRESSION_FAILED for one that is wrong or goes past the subset. */
export function parseRegex(pattern: string, letters: Letters, ignoreCase: boolean): ParsedRegex {
  return new RegexParser(pattern, letters, ignoreCase).parse();
}

export function badRegex(sentence: string): Error {
  return fault("invalid_regular_expression", `The regular expression is not usable: ${sentence}.`);
}

const CONTROL: Readonly<Record<string, number>> = {
  ...{ a: 7, b: 8, e: 27, f: 12, n: 10, r: 13, t: 9, v: 11, B: 92 },
};

const ASSERTIONS: Readonly<Record<string, Assertion>> = {
  ...{ A: "start", Z: "end", m: "word start", M: "word end", y: "word edge", Y: "no word edge" },
};

class RegexParser {
  readonly #characters: readonly string[];
  readonly #letters: Letters;
  readonly #ignoreCase: boolean;
  #at = 0;
  #depth = 0;
  #isLazy = false;
  #hasGroups = false;

  constructor(pattern: string, letters: Letters, ignoreCase: boolean) {
    this.#characters = [...pattern];
    this.#letters = letters;
    this.#ignoreCase = ignoreCase;
  }

  parse(): ParsedRegex {
    if (this.#sees("***")) throw badRegex("*** is not supported");
    const regex = this.#choice();
    if (this.#at < this.#characters.length) throw badRegex("a parenthesis is not balanced");
    return { regex, isLazy: this.#isLazy, hasGroups: this.#hasGroups };
  }

  #choice(): Regex {
    const items = [this.#sequence()];
    while (this.#skips("|")) items.push(this.#sequence());
    return items.length === 1 ? (items[0] as Regex) : { kind: "choice", items };
  }

  #sequence(): Regex {
    const items: Regex[] = [];
    for (;;) {
      const next = this.#peek();
      if (next === undefined || next === "|" || (next === ")" && this.#depth > 0)) break;
      if (next === ")") throw badRegex("a parenthesis is not balanced");
      items.push(this.#quantified());
    }
    return { kind: "sequence", items };
  }

  #quantified(): Regex {
    const item = this.#atom();
    const bounds = this.#quantifier();
    if (bounds === null) return item;
    if (item.kind === "assertion") throw badRegex("a quantifier follows nothing");
    if (this.#skips("?")) this.#isLazy = true;
    if (this.#quantifier() !== null) throw badRegex("a quantifier follows a quantifier");
    return { kind: "repeat", item, min: bounds[0], max: bounds[1] };
  }

  #quantifier(): readonly [number, number] | null {
    if (this.#skips("*")) return [0, Number.POSITIVE_INFINITY];
    if (this.#skips("+")) return [1, Number.POSITIVE_INFINITY];
    if (this.#skips("?")) return [0, 1];
    if (this.#peek() !== "{" || !/\d/.test(this.#characters[this.#at + 1] ?? "")) return null;
    const rest = this.#characters.slice(this.#at, this.#at + 12).join("");
    const match = /^\{(\d+)(?:(,)(\d*))?\}/.exec(rest);
    if (match === null) throw badRegex("a repetition is malformed");
    this.#at += match[0].length;
    const min = Number(match[1]);
    const max = match[2] === undefined ? min : Number(match[3] || "Infinity");
    if (min > MAX_REPEAT || (max > MAX_REPEAT && Number.isFinite(max)) || min > max) {
      throw badRegex(`a repetition takes counts up to ${MAX_REPEAT}`);
    }
    return [min, max];
  }

  #atom(): Regex {
    const character = this.#next();
    switch (character) {
      case "(":
        return this.#group();
      case "[":
        return { kind: "character", test: this.#bracket() };
      case ".":
        return { kind: "character", test: () => true };
      case "^":
        return { kind: "assertion", assertion: "start" };
      case "$":
        return { kind: "assertion", assertion: "end" };
      case "\\":
        return this.#escape();
      case "*":
      case "+":
      case "?":
        throw badRegex("a quantifier follows nothing");
      case "{":
        if (/\d/.test(this.#peek() ?? "")) throw badRegex("a quantifier follows nothing");
        return this.#literal(character);
      default:
        return this.#literal(character);
    }
  }

  #group(): Regex {
    if (++this.#depth > MAX_NESTING) throw badRegex("it is nested too deep");
    if (this.#skips("?")) {
      if (!this.#skips(":")) throw badRegex("lookaround and options in it are not supported");
    } else this.#hasGroups = true;
    const inside = this.#choice();
    if (!this.#skips(")")) throw badRegex("a parenthesis is not balanced");
    this.#depth--;
    return inside;
  }

  #escape(): Regex {
    const character = this.#characters[this.#at];
    if (character === undefined) throw badRegex("it ends in a backslash");
    const assertion = ASSERTIONS[character];
    if (assertion !== undefined) {
      this.#at++;
      return { kind: "assertion", assertion };
    }
    const test = this.#classEscape();
    if (test !== null) return { kind: "character", test };
    return this.#literal(String.fromCodePoint(this.#characterEscape()));
  }

  /** `\d`, `\s`, `\w` and their opposites. */
  #classEscape(): CharacterTest | null {
    const character = this.#characters[this.#at] ?? "";
    const name = { d: "digit", s: "space", w: "word" }[character.toLowerCase()];
    if (name === undefined) return null;
    this.#at++;
    const test = this.#namedClass(name);
    return character === character.toLowerCase() ? test : (code) => !test(code);
  }

  /** The code of an escaped character. */
  #characterEscape(): number {
    const character = this.#next();
    if (!/[A-Za-z0-9]/.test(character)) return character.codePointAt(0) ?? 0;
    const control = CONTROL[character];
    if (control !== undefined) return control;
    if (character === "0") return 0;
    if (/[1-9]/.test(character)) throw badRegex("backreferences are not supported");
    const digits = { u: 4, U: 8 }[character];
    if (digits === undefined) throw badRegex(`\\${character} is no escape that is supported`);
    const hex = this.#characters.slice(this.#at, this.#at + digits).join("");
    if (!/^[0-9a-fA-F]+$/.test(hex) || hex.length !== digits) throw badRegex("an escape is short");
    this.#at += digits;
    const code = Number.parseInt(hex, 16);
    if (code > 0x10ffff) throw badRegex("an escape names no character");
    return code;
  }

  #bracket(): CharacterTest {
    const isNegated = this.#skips("^");
    const tests: CharacterTest[] = [];
    for (let isFirst = true; isFirst || this.#peek() !== "]"; isFirst = false) {
      if (this.#peek() === undefined) throw badRegex("a bracket is not closed");
      tests.push(this.#bracketItem());
    }
    this.#at++;
    const matches: CharacterTest = (code) => tests.some((test) => test(code));
    return isNegated ? (code) => !matches(code) : matches;
  }

  #bracketItem(): CharacterTest {
    if (this.#sees("[.") || this.#sees("[=")) throw badRegex("[. and [= are not supported");
    if (this.#sees("[:")) return this.#bracketClass();
    if (this.#peek() === "\\") {
      this.#at++;
      const test = this.#classEscape();
      if (test !== null) return test;
      this.#at--;
    }
    const low = this.#bracketCharacter();
    const isRange = this.#peek() === "-" && (this.#characters[this.#at + 1] ?? "]") !== "]";
    if (!isRange) return this.#folded((code) => code === low);
    this.#at++;
    const high = this.#bracketCharacter();
    if (low > high) throw badRegex("a range ends before it begins");
    return this.#folded((code) => code >= low && code <= high);
  }

  #bracketCharacter(): number {
    const character = this.#next();
    return character === "\\" ? this.#characterEscape() : (character.codePointAt(0) ?? 0);
  }

  #bracketClass(): CharacterTest {
    const rest = this.#characters.slice(this.#at, this.#at + 12).join("");
    const match = /^\[:([a-z]+):\]/.exec(rest);
    if (match === null) throw badRegex("a character class is malformed");
    this.#at += match[0].length;
    return this.#namedClass(match[1] ?? "");
  }

  #namedClass(name: string): CharacterTest {
    const { isLetter, isDigit, lower, upper } = this.#letters;
    const isUpper = (c: string): boolean => isLetter(c) && lower(c) !== c;
    const isLower = (c: string): boolean => isLetter(c) && upper(c) !== c;
    const classes: Readonly<Record<string, (c: string) => boolean>> = {
      digit: isDigit,
      space: (c) => /^[ \t\n\r\f\v]$/.test(c),
      blank: (c) => c === " " || c === "\t",
      word: (c) => c === "_" || isLetter(c) || isDigit(c),
      alpha: isLetter,
      alnum: (c) => isLetter(c) || isDigit(c),
      upper: this.#ignoreCase ? isLetter : isUpper,
      lower: this.#ignoreCase ? isLetter : isLower,
      xdigit: (c) => /^[0-9A-Fa-f]$/.test(c),
      punct: (c) => /^[!-/:-@[-`{-~]$/.test(c),
    };
    const test = classes[name];
    if (test === undefined) throw badRegex(`[:${name}:] is no class that is supported`);
    return (code) => test(String.fromCodePoint(code));
  }

  #literal(character: string): Regex {
    const wanted = character.codePointAt(0) ?? 0;
    return { kind: "character", test: this.#folded((code) => code === wanted) };
  }

  /**
   * Without regard to case, a pattern's character stands for its lower and its upper case, too; the
   * text's characters stay what they are.
   */
  #folded(test: CharacterTest): CharacterTest {
    if (!this.#ignoreCase) return test;
    const letters = this.#letters;
    return (code) => formsBehind(letters, code).some(test);
  }

  #peek(): string | undefined {
    return this.#characters[this.#at];
  }

  #next(): string {
    const character = this.#characters[this.#at];
    if (character === undefined) throw badRegex("it ends too early");
    this.#at++;
    return character;
  }

  #sees(text: string): boolean {
    return this.#characters.slice(this.#at, this.#at + text.length).join("") === text;
  }

  #skips(character: string): boolean {
    if (this.#characters[this.#at] !== character) return false;
    this.#at++;
    return true;
  }
}
