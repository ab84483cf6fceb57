import { TidemarkError } from "../core/errors.js";

/** A text and a place in it, for messages. */
export interface Place {
  readonly text: string;
  /** Offset in UTF-16 units. */
  readonly at: number;
}

/** Line and column of a place, both counted from 1; a column is a character. */
export function lineAndColumn({ text, at }: Place): { line: number; column: number } {
  const before = text.slice(0, at);
  const start = before.lastIndexOf("\n") + 1;
  return { line: before.split("\n").length, column: [...before.slice(start)].length + 1 };
}

/** EXPRESSION_INVALID at a place; the sentence goes on after the place. */
export function invalidExpression(place: Place, sentence: string): TidemarkError {
  const { line, column } = lineAndColumn(place);
  return new TidemarkError(
    "EXPRESSION_INVALID",
    `Expression, line ${line}, column ${column}: ${sentence}`,
    { detail: { expression: shortened(place.text), line, column } },
  );
}

/** An expression's text as errors hold it. */
export function shortened(text: string): string {
  return text.length <= 500 ? text : `${text.slice(0, 500)}…`;
}
