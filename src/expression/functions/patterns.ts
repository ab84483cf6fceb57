// LIKE, ILIKE, SIMILAR TO and regular expressions (manual, 9.7).
import { Automaton } from "../regex/automaton.js";
import { badRegex, parseRegex } from "../regex/syntax.js";
import { bounded, lettersOf } from "../values/characters.js";
import { fault } from "../values/fault.js";
import { likeMatcher, withEscape } from "../values/like.js";
import { type CallSite, type Definition, fallible, prepared } from "./definition.js";

type Test = (text: string) => boolean;

/** A pattern that is a constant is compiled once, another one each time it changes. */
function cached<T>(compile: (pattern: string) => T): (pattern: string) => T {
  let last: string | null = null;
  let compiled: T;
  return (pattern) => {
    if (pattern !== last) {
      compiled = compile(pattern);
      last = pattern;
    }
    return compiled;
  };
}

function likes(names: readonly [string, string], type: string, ignoresCase: boolean): Definition[] {
  return names.map((name, i) => {
    const wanted = i === 0;
    return prepared(`${name}(${type},text)`, "bool", {
      canFail: true,
      collates: ignoresCase ? "ctype" : "equality",
      prepare: ({ collation }) => {
        const { lower } = lettersOf(collation);
        const matcher = cached((p) => likeMatcher(p, ignoresCase ? lower : undefined));
        return (text: string, pattern: string) => matcher(pattern)(text) === wanted;
      },
    });
  });
}

/** The pattern and flags of a call; both are constants. */
function constantText(site: CallSite, parameter: number): string {
  const value = site.constants[parameter];
  return typeof value === "string" ? value : "";
}

interface Options {
  readonly ignoresCase: boolean;
  /** Whether the place of a match matters, not only that there is one. */
  readonly needsPlace: boolean;
}

function compileRegex(pattern: string, site: CallSite, options: Options): Automaton {
  const letters = lettersOf(site.collation);
  const { regex, isLazy, hasGroups } = parseRegex(pattern, letters, options.ignoresCase);
  if (options.needsPlace && isLazy) {
    throw badRegex("where a non-greedy quantifier ends a match is not supported here");
  }
  if (options.needsPlace && hasGroups) throw badRegex("write groups as (?:…) here");
  const isWord = (code: number): boolean => {
    const character = String.fromCodePoint(code);
    return character === "_" || letters.isLetter(character) || letters.isDigit(character);
  };
  return new Automaton(regex, isWord);
}

function matching(name: string, ignoresCase: boolean, wanted: boolean, type: string): Definition {
  return prepared(`${name}(${type},text)`, "bool", {
    ...{ canFail: true, collates: "ctype" as const, constantParameters: [1] },
    prepare: (site) => {
      const pattern = constantText(site, 1);
      const machine = compileRegex(pattern, site, { ignoresCase, needsPlace: false });
      const test: Test = (text) => machine.test(text);
      return (text: string) => test(text) === wanted;
    },
  });
}

/** Flags that are supported: `i`, `c`, and `g` where it has a meaning. */
function flagsOf(flags: string, allowed: string): { ignoresCase: boolean; isGlobal: boolean } {
  for (const flag of flags) {
    if (!allowed.includes(flag)) {
      throw fault(
        "invalid_parameter_value",
        `The regular expression flag "${flag}" is not supported.`,
      );
    }
  }
  return { ignoresCase: /i[^c]*$/.test(flags), isGlobal: flags.includes("g") };
}

/** The pieces of a replacement: null stands for the whole match. */
function replacementOf(text: string): readonly (string | null)[] {
  const pieces: (string | null)[] = [];
  for (const [part] of text.matchAll(/\\[&\\1-9]|\\|[^\\]+/g)) {
    if (/^\\[1-9]$/.test(part)) throw badRegex("groups cannot be put into the replacement");
    pieces.push(part === "\\&" ? null : part === "\\\\" ? "\\" : part);
  }
  return pieces;
}

function replaceMatches(
  machine: Automaton,
  text: string,
  how: { pieces: readonly (string | null)[]; isGlobal: boolean },
): string {
  let result = "";
  let copied = 0;
  for (let from = 0; from <= text.length; ) {
    const found = machine.find(text, from);
    if (found === null) break;
    const [start, end] = found;
    const match = text.slice(start, end);
    const put = how.pieces.map((piece) => piece ?? match).join("");
    result = bounded(result + text.slice(copied, start) + put);
    copied = end;
    if (!how.isGlobal) break;
    from = start === end ? end + width(text, end) : end;
  }
  return bounded(result + text.slice(copied));
}

function width(text: string, at: number): number {
  return (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
}

function replacing(signature: string, flagsAt: number | null): Definition {
  return prepared(signature, "text", {
    ...{ canFail: true, collates: "ctype" as const },
    constantParameters: flagsAt === null ? [1] : [1, flagsAt],
    prepare: (site) => {
      const given = flagsAt === null ? "" : constantText(site, flagsAt);
      const { ignoresCase, isGlobal } = flagsOf(given, "gic");
      const pattern = constantText(site, 1);
      const machine = compileRegex(pattern, site, { ignoresCase, needsPlace: true });
      const pieces = cached(replacementOf);
      return (text: string, _, replacement: string) =>
        replaceMatches(machine, text, { pieces: pieces(replacement), isGlobal });
    },
  });
}

function countMatches(machine: Automaton, text: string): number {
  let count = 0;
  for (let from = 0; from <= text.length; ) {
    const found = machine.find(text, from);
    if (found === null) break;
    count++;
    from = found[0] === found[1] ? found[1] + width(text, found[1]) : found[1];
  }
  return count;
}

/** SIMILAR TO's pattern as a regular expression (similar_escape_internal). */
function similarToRegex(pattern: string, mark = "\\"): string {
  let regex = "";
  let isInBrackets = false;
  const characters = [...pattern];
  for (let i = 0; i < characters.length; i++) {
    const character = characters[i] as string;
    if (character === mark) {
      const next = characters[++i];
      if (next === undefined)
        throw fault("invalid_escape_sequence", "The escape ends the pattern.");
      if (next === '"') throw badRegex('SIMILAR TO with <escape>" is not supported');
      regex += `\\${next}`;
    } else if (isInBrackets) {
      regex += character === "\\" ? "\\\\" : character;
      if (character === "]") isInBrackets = false;
    } else if (character === "[") {
      isInBrackets = true;
      regex += "[";
    } else regex += SIMILAR[character] ?? character;
  }
  return `^(?:${regex})$`;
}

const SIMILAR: Readonly<Record<string, string>> = {
  ...{ "%": ".*", _: ".", "(": "(?:", "\\": "\\\\", ".": "\\.", "^": "\\^", $: "\\$" },
};

export const PATTERN_FUNCTIONS: readonly Definition[] = [
  ...likes(["~~", "!~~"], "text", false),
  ...likes(["~~", "!~~"], "bpchar", false),
  ...likes(["~~*", "!~~*"], "text", true),
  ...likes(["~~*", "!~~*"], "bpchar", true),
  fallible("like_escape(text,text)", "text", withEscape),
  ...["text", "bpchar"].flatMap((type) => [
    matching("~", false, true, type),
    matching("!~", false, false, type),
    matching("~*", true, true, type),
    matching("!~*", true, false, type),
  ]),
  matching("regexp_like", false, true, "text"),
  prepared("regexp_like(text,text,text)", "bool", {
    ...{ canFail: true, collates: "ctype" as const, constantParameters: [1, 2] },
    prepare: (site) => {
      const { ignoresCase } = flagsOf(constantText(site, 2), "ic");
      const machine = compileRegex(constantText(site, 1), site, { ignoresCase, needsPlace: false });
      return (text: string) => machine.test(text);
    },
  }),
  replacing("regexp_replace(text,text,text)", null),
  replacing("regexp_replace(text,text,text,text)", 3),
  prepared("regexp_count(text,text)", "int4", {
    ...{ canFail: true, collates: "ctype" as const, constantParameters: [1] },
    prepare: (site) => {
      const options = { ignoresCase: false, needsPlace: true };
      const machine = compileRegex(constantText(site, 1), site, options);
      return (text: string) => countMatches(machine, text);
    },
  }),
  prepared("substring(text,text)", "text", {
    ...{ canFail: true, collates: "ctype" as const, constantParameters: [1] },
    prepare: (site) => {
      const options = { ignoresCase: false, needsPlace: true };
      const machine = compileRegex(constantText(site, 1), site, options);
      return (text: string) => {
        const found = machine.find(text, 0);
        return found === null ? null : text.slice(found[0], found[1]);
      };
    },
  }),
  fallible("similar_to_escape(text)", "text", (pattern: string) => similarToRegex(pattern)),
  fallible("similar_to_escape(text,text)", "text", similarToRegex),
];
