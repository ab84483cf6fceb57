// LIKE patterns (like_match.c). A pattern is cut at its `%` into pieces that are looked for from
// left to right: that needs no going back, so that no pattern takes more than length times length.
import { fault } from "./fault.js";

/** A character to be equal to, or null for `_`. */
type Piece = readonly (string | null)[];

/** Compiles a pattern to a test of the whole text. `fold` is applied to both sides (ILIKE). */
export function likeMatcher(
  pattern: string,
  fold: (text: string) => string = (text) => text,
): (text: string) => boolean {
  const pieces = cut(fold(pattern));
  const plain = pieces.every((piece) => !piece.includes(null));
  if (plain)
    return plainMatcher(
      pieces.map((piece) => piece.join("")),
      fold,
    );
  return (text) => matches([...fold(text)], pieces);
}

function cut(pattern: string): Piece[] {
  const pieces: (string | null)[][] = [[]];
  const characters = [...pattern];
  for (let i = 0; i < characters.length; i++) {
    const character = characters[i] as string;
    if (character === "%") pieces.push([]);
    else if (character === "_") pieces.at(-1)?.push(null);
    else if (character !== "\\") pieces.at(-1)?.push(character);
    else {
      const escaped = characters[++i];
      if (escaped === undefined) throw endsInEscape();
      pieces.at(-1)?.push(escaped);
    }
  }
  return pieces;
}

function plainMatcher(
  pieces: readonly string[],
  fold: (text: string) => string,
): (text: string) => boolean {
  const [first = "", ...others] = pieces;
  const last = others.pop();
  if (last === undefined) return (text) => fold(text) === first;
  return (given) => {
    const text = fold(given);
    if (!text.startsWith(first)) return false;
    let at = first.length;
    for (const piece of others) {
      const found = text.indexOf(piece, at);
      if (found < 0) return false;
      at = found + piece.length;
    }
    return text.length - at >= last.length && text.endsWith(last);
  };
}

function matches(text: readonly string[], pieces: readonly Piece[]): boolean {
  const [first = [], ...others] = pieces;
  const last = others.pop();
  const fits = (piece: Piece, at: number): boolean =>
    at + piece.length <= text.length &&
    piece.every((wanted, i) => wanted === null || wanted === text[at + i]);
  if (last === undefined) return text.length === first.length && fits(first, 0);
  if (!fits(first, 0)) return false;
  let at = first.length;
  for (const piece of others) {
    while (!fits(piece, at)) if (++at > text.length) return false;
    at += piece.length;
  }
  return text.length - at >= last.length && fits(last, text.length - last.length);
}

/** A pattern whose escape character is another one, or none, as one with backslashes. */
export function withEscape(pattern: string, mark: string): string {
  const characters = [...pattern];
  if ([...mark].length > 1) {
    throw fault("invalid_escape_sequence", "ESCAPE takes one character, or none.");
  }
  if (mark === "") return pattern.replaceAll("\\", "\\\\");
  if (mark === "\\") return pattern;
  let isEscaped = false;
  return characters
    .map((character) => {
      if (character === mark && !isEscaped) {
        isEscaped = true;
        return "\\";
      }
      const own = character === "\\" && !isEscaped ? "\\\\" : character;
      isEscaped = false;
      return own;
    })
    .join("");
}

function endsInEscape(): Error {
  return fault("invalid_escape_sequence", "A LIKE pattern must not end with its escape character.");
}
