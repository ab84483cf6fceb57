import type { TidemarkError } from "../../core/errors.js";
import { invalidExpression } from "../expression-place.js";
import type { RawNode } from "../grammar.js";
import type { Scope } from "../scope.js";
import type { Expression } from "../tree.js";

/** What checking one expression carries along. */
export interface CheckContext {
  readonly text: string;
  readonly scope: Scope;
  /** An offset of the text from a location of the parser. */
  offset(location: number | undefined): number;
  /** Checks a tree below; counts nodes and depth. */
  check(raw: RawNode | undefined): Expression;
  /** EXPRESSION_INVALID at an offset. */
  invalid(at: number, sentence: string): TidemarkError;
}

const MAX_DEPTH = 200;
const MAX_NODES = 4000;

/** Makes the context of one check; `dispatch` checks one raw node. */
export function checkContext(
  parts: Pick<CheckContext, "text" | "scope" | "offset">,
  dispatch: (raw: RawNode, context: CheckContext) => Expression,
): CheckContext {
  let depth = 0;
  let nodes = 0;
  const context: CheckContext = {
    ...parts,
    invalid: (at, sentence) => invalidExpression({ text: parts.text, at }, sentence),
    check(raw) {
      if (raw === undefined) throw context.invalid(0, "a part of it is missing.");
      if (++nodes > MAX_NODES) throw context.invalid(0, `it has more than ${MAX_NODES} parts.`);
      if (++depth > MAX_DEPTH) throw context.invalid(0, `it is nested deeper than ${MAX_DEPTH}.`);
      const tree = dispatch(raw, context);
      depth--;
      return tree;
    },
  };
  return context;
}

/** The name among `names` that differs least from `wanted`, if it differs little. */
export function nearest(wanted: string, names: readonly string[]): string | null {
  let best: string | null = null;
  let least = Math.max(2, Math.floor(wanted.length / 3)) + 1;
  for (const name of names) {
    const distance = editDistance(wanted.toLowerCase(), name.toLowerCase());
    if (distance < least) [best, least] = [name, distance];
  }
  return best;
}

function editDistance(a: string, b: string): number {
  if (Math.abs(a.length - b.length) > 8) return 9;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const change = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(change, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 9;
}
