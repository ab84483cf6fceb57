// Every operator and function that expressions know. docs/expressions.md is generated from it.
import { ARRAY_FUNCTIONS } from "./arrays.js";
import { COMPARISONS } from "./comparisons.js";
import { DATETIME_FUNCTIONS } from "./datetimes.js";
import type { Definition } from "./definition.js";
import { EXTRACT_FUNCTIONS } from "./extract.js";
import { FLOAT_FUNCTIONS } from "./floats.js";
import { INTEGER_FUNCTIONS } from "./integers.js";
import { JSONB_FUNCTIONS } from "./jsonbs.js";
import { NUMERIC_FUNCTIONS } from "./numerics.js";
import { PATTERN_FUNCTIONS } from "./patterns.js";
import { TEXT_FUNCTIONS } from "./texts.js";
import { TRUNCATION_FUNCTIONS } from "./truncation.js";

/** By subject, in the order of the documents. */
export const CATALOG: Readonly<Record<string, readonly Definition[]>> = {
  Comparison: COMPARISONS,
  Integers: INTEGER_FUNCTIONS,
  Numeric: NUMERIC_FUNCTIONS,
  "Floating point": FLOAT_FUNCTIONS,
  Text: TEXT_FUNCTIONS,
  Patterns: PATTERN_FUNCTIONS,
  "Dates and times": DATETIME_FUNCTIONS,
  "Parts of times": EXTRACT_FUNCTIONS,
  "Truncation and time zones": TRUNCATION_FUNCTIONS,
  jsonb: JSONB_FUNCTIONS,
  Arrays: ARRAY_FUNCTIONS,
};

const all = Object.values(CATALOG).flat();
const bySignature: ReadonlyMap<string, Definition> = new Map(all.map((d) => [d.signature, d]));
const byName: Map<string, Definition[]> = new Map();
for (const definition of all) {
  const named = byName.get(definition.name);
  if (named === undefined) byName.set(definition.name, [definition]);
  else named.push(definition);
}

/** The definition of a signature that a checked tree holds. */
export function definitionOf(signature: string): Definition {
  const definition = bySignature.get(signature);
  if (definition === undefined) throw new Error(`no definition has the signature ${signature}`);
  return definition;
}

/** All definitions of a name; none when it is unknown. */
export function definitionsNamed(name: string): readonly Definition[] {
  return byName.get(name) ?? [];
}

/** The names of functions, without those of operators. */
export function functionNames(): string[] {
  return [...byName.keys()].filter((name) => /^[a-z]/.test(name));
}
