// Runs a regular expression as sets of states, so that the time is at most the text's length times
// the pattern's, whatever the pattern. Sets that were met are kept with where each character leads
// (a deterministic machine made as it is needed), up to a bound; then they are forgotten.
import { fault } from "../values/fault.js";
import { type Assertion, badRegex, type CharacterTest, type Regex } from "./syntax.js";

const MAX_STATES = 4000;
const MAX_SETS = 500;
/** Characters that one evaluation may look at while it looks for the places of matches. */
const MAX_STEPS = 20_000_000;
const ASCII = 128;

type State =
  | { readonly kind: "character"; readonly test: CharacterTest; next: number }
  | { readonly kind: "assertion"; readonly assertion: Assertion; next: number }
  | { readonly kind: "split"; next: number; other: number }
  | { readonly kind: "match" };

/** What lies before a position: nothing, a word's character, or another one. */
type Before = 0 | 1 | 2;
const NOTHING: Before = 0;
const WORD: Before = 1;
const OTHER: Before = 2;
const END = -1;

/** A set of states before the next character is known. */
interface StateSet {
  readonly states: readonly number[];
  readonly before: Before;
  /** Where ASCII characters lead. */
  readonly next: (StateSet | undefined)[];
  /** Whether the states match if the next character is one of a word, another, or the end. */
  readonly matches: (boolean | undefined)[];
}

/** A compiled pattern. Holds a cache, no other state. */
export class Automaton {
  readonly #states: State[] = [];
  readonly #start: number;
  readonly #isWord: CharacterTest;
  readonly #sets: Map<string, StateSet> = new Map();

  constructor(regex: Regex, isWord: CharacterTest) {
    this.#isWord = isWord;
    const match = this.#add({ kind: "match" });
    this.#start = this.#compile(regex, match);
  }

  /** Whether the pattern matches anywhere in the text. */
  test(text: string): boolean {
    let set = this.#set([this.#start], NOTHING);
    for (let i = 0; ; ) {
      const code = i < text.length ? (text.codePointAt(i) as number) : END;
      if (this.#isMatch(set, code)) return true;
      if (code === END) return false;
      // A match may begin at each position.
      set = this.#step(set, code, true);
      i += code > 0xffff ? 2 : 1;
    }
  }

  /** The first match at or behind `from` that is the longest there: [start, end), or null. */
  find(text: string, from: number): readonly [number, number] | null {
    let steps = 0;
    for (let start = from; start <= text.length; start += this.#width(text, start)) {
      let end = -1;
      let set = this.#set([this.#start], this.#before(text, start));
      for (let i = start; set.states.length > 0; ) {
        const code = i < text.length ? (text.codePointAt(i) as number) : END;
        if (this.#isMatch(set, code)) end = i;
        if (code === END) break;
        if (++steps > MAX_STEPS) throw tooSlow();
        set = this.#step(set, code, false);
        i += code > 0xffff ? 2 : 1;
      }
      if (end >= 0) return [start, end];
    }
    return null;
  }

  #width(text: string, at: number): number {
    return (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1;
  }

  #before(text: string, at: number): Before {
    if (at === 0) return NOTHING;
    const low = text.charCodeAt(at - 1);
    const isPair = low >= 0xdc00 && low <= 0xdfff && at > 1;
    return this.#kindOf(isPair ? (text.codePointAt(at - 2) as number) : low);
  }

  #kindOf(code: number): Before {
    return this.#isWord(code) ? WORD : OTHER;
  }

  #isMatch(set: StateSet, code: number): boolean {
    const after = code === END ? NOTHING : this.#kindOf(code);
    let matches = set.matches[after];
    if (matches === undefined) {
      matches = this.#closure(set, after).some((s) => this.#states[s]?.kind === "match");
      set.matches[after] = matches;
    }
    return matches;
  }

  #step(set: StateSet, code: number, restarts: boolean): StateSet {
    // A machine is used either for tests or for finding, never for both: see regex-functions.
    const known = code < ASCII ? set.next[code] : undefined;
    if (known !== undefined) return known;
    const kind = this.#kindOf(code);
    const reached = restarts ? [this.#start] : [];
    for (const s of this.#closure(set, kind)) {
      const state = this.#states[s] as State;
      if (state.kind === "character" && state.test(code)) reached.push(state.next);
    }
    const next = this.#set(reached, kind);
    if (code < ASCII) set.next[code] = next;
    return next;
  }

  #set(states: readonly number[], before: Before): StateSet {
    const sorted = [...new Set(states)].sort((a, b) => a - b);
    const key = `${before} ${sorted.join(" ")}`;
    let set = this.#sets.get(key);
    if (set === undefined) {
      if (this.#sets.size >= MAX_SETS) this.#sets.clear();
      set = { states: sorted, before, next: [], matches: [] };
      this.#sets.set(key, set);
    }
    return set;
  }

  /** Every state that is reached without a character, between what is before and after. */
  #closure(set: StateSet, after: Before): number[] {
    const seen = new Set<number>();
    const open = [...set.states];
    for (let s = open.pop(); s !== undefined; s = open.pop()) {
      if (seen.has(s)) continue;
      seen.add(s);
      const state = this.#states[s] as State;
      if (state.kind === "split") open.push(state.next, state.other);
      else if (state.kind === "assertion" && holds(state.assertion, set.before, after)) {
        open.push(state.next);
      }
    }
    return [...seen];
  }

  #add(state: State): number {
    if (this.#states.length >= MAX_STATES) throw badRegex("it is too large");
    return this.#states.push(state) - 1;
  }

  /** Makes the states of `regex`, which go on to `next`; returns where they begin. */
  #compile(regex: Regex, next: number): number {
    switch (regex.kind) {
      case "character":
        return this.#add({ kind: "character", test: regex.test, next });
      case "assertion":
        return this.#add({ kind: "assertion", assertion: regex.assertion, next });
      case "sequence":
        return regex.items.reduceRight((after, item) => this.#compile(item, after), next);
      case "choice":
        return regex.items
          .map((item) => this.#compile(item, next))
          .reduce((a, b) => this.#add({ kind: "split", next: a, other: b }));
      case "repeat":
        return this.#compileRepeat(regex, next);
    }
  }

  #compileRepeat(regex: Regex & { kind: "repeat" }, next: number): number {
    const { item, min, max } = regex;
    let start = next;
    if (max === Number.POSITIVE_INFINITY) {
      const split: State = { kind: "split", next: 0, other: next };
      start = this.#add(split);
      split.next = this.#compile(item, start);
    } else {
      for (let n = min; n < max; n++) {
        const inside = this.#compile(item, start);
        start = this.#add({ kind: "split", next: inside, other: next });
      }
    }
    for (let n = 0; n < min; n++) start = this.#compile(item, start);
    return start;
  }
}

function holds(assertion: Assertion, before: Before, after: Before): boolean {
  const isAfterWord = before === WORD;
  const isBeforeWord = after === WORD;
  switch (assertion) {
    case "start":
      return before === NOTHING;
    case "end":
      return after === NOTHING;
    case "word start":
      return !isAfterWord && isBeforeWord;
    case "word end":
      return isAfterWord && !isBeforeWord;
    case "word edge":
      return isAfterWord !== isBeforeWord;
    case "no word edge":
      return isAfterWord === isBeforeWord;
  }
}

function tooSlow(): Error {
  return fault("program_limit_exceeded", "Looking for a regular expression took too many steps.");
}
