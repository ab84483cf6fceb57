// Operators and functions of jsonb (manual, 9.16). Values are canonical text.
import type { SqlType } from "../sql-type.js";
import { bounded } from "../values/characters.js";
import { fault } from "../values/fault.js";
import {
  encodedKey,
  type Stretch,
  stepAlong,
  stepToIndex,
  stepToKey,
  textAt,
} from "../values/json-path.js";
import { containsJson, isArray, type JsonTree, parseJson, printJson } from "../values/json-tree.js";
import type { Value } from "../values/value.js";
import { type CallSite, type Definition, define, fallible, prepared } from "./definition.js";

/** Where a step goes in a text; false when there is nothing. */
type Step<A> = (text: string, at: Stretch, argument: A) => boolean;

const stretch: Stretch = { start: 0, end: 0 };

function whole(text: string): Stretch {
  stretch.start = 0;
  stretch.end = text.length;
  return stretch;
}

/** The operator that steps and gives jsonb, and the one that gives text. */
function steps<A>(names: readonly [string, string], type: SqlType, step: Step<A>): Definition[] {
  const [asJson, asText] = names;
  return [
    define(`${asJson}(jsonb,${type})`, "jsonb", (text: string, argument: A) => {
      const at = whole(text);
      return step(text, at, argument) ? text.slice(at.start, at.end) : null;
    }),
    define(`${asText}(jsonb,${type})`, "text", (text: string, argument: A) => {
      const at = whole(text);
      return step(text, at, argument) ? textAt(text, at) : null;
    }),
  ];
}

/** A scalar counts as its own only element: so PostgreSQL stores it. */
function stepToElement(text: string, at: Stretch, index: number): boolean {
  if (text[0] === "{" || text[0] === "[") return stepToIndex(text, at, index);
  return index === 0 || index === -1;
}

/** A key that is a constant is encoded once. */
function keySteps(site: CallSite, finish: (text: string, at: Stretch) => Value) {
  const constant = site.constants[1];
  const encoded = typeof constant === "string" ? encodedKey(constant) : null;
  return (text: string, key: string): Value => {
    const at = whole(text);
    return stepToKey(text, at, encoded ?? encodedKey(key)) ? finish(text, at) : null;
  };
}

function hasKey(tree: JsonTree, key: string): boolean {
  if (typeof tree === "string") return tree === key;
  if (tree === null || typeof tree !== "object" || !("size" in tree || isArray(tree))) return false;
  return isArray(tree) ? tree.includes(key) : tree.has(key);
}

function isObject(tree: JsonTree): tree is ReadonlyMap<string, JsonTree> {
  return tree instanceof Map;
}

function isList(tree: JsonTree): tree is readonly JsonTree[] {
  return tree !== null && typeof tree === "object" && isArray(tree);
}

function concatenated(a: string, b: string): string {
  const [x, y] = [parseJson(a), parseJson(b)];
  if (isObject(x) && isObject(y)) return bounded(printJson(new Map([...x, ...y])));
  const items = [...(isList(x) ? x : [x]), ...(isList(y) ? y : [y])];
  return bounded(printJson(items));
}

function withoutKeys(text: string, keys: readonly (string | null)[]): string {
  const tree = parseJson(text);
  if (isObject(tree)) {
    return printJson(new Map([...tree].filter(([key]) => !keys.includes(key))));
  }
  if (!isList(tree)) throw cannot("delete from a scalar");
  return printJson(tree.filter((item) => typeof item !== "string" || !keys.includes(item)));
}

function withoutIndex(text: string, index: number): string {
  const tree = parseJson(text);
  if (isObject(tree)) throw cannot("delete from an object by an index");
  if (!isList(tree)) throw cannot("delete from a scalar");
  const at = index < 0 ? tree.length + index : index;
  return printJson(tree.filter((_, i) => i !== at));
}

function arrayLength(text: string): number {
  const tree = parseJson(text);
  if (isList(tree)) return tree.length;
  throw cannot(isObject(tree) ? "count the elements of an object" : "count those of a scalar");
}

function typeOfJson(text: string): string {
  switch (text[0]) {
    case "{":
      return "object";
    case "[":
      return "array";
    case '"':
      return "string";
    case "t":
    case "f":
      return "boolean";
    case "n":
      return "null";
    default:
      return "number";
  }
}

/** jsonb_strip_nulls: object fields that are null, at any depth. */
function withoutNulls(tree: JsonTree): JsonTree {
  if (isList(tree)) return tree.map(withoutNulls);
  if (!isObject(tree)) return tree;
  return new Map(
    [...tree].filter(([, v]) => v !== null).map(([k, v]) => [k, withoutNulls(v)] as const),
  );
}

function cannot(what: string): Error {
  return fault("invalid_parameter_value", `jsonb: one cannot ${what}.`);
}

export const JSONB_FUNCTIONS: readonly Definition[] = [
  prepared("->(jsonb,text)", "jsonb", {
    prepare: (site) => keySteps(site, (text, at) => text.slice(at.start, at.end)),
  }),
  prepared("->>(jsonb,text)", "text", { prepare: (site) => keySteps(site, textAt) }),
  ...steps(["->", "->>"], "int4", stepToElement),
  ...steps(["#>", "#>>"], "text[]", stepAlong),
  fallible("@>(jsonb,jsonb)", "bool", (a: string, b: string) =>
    containsJson(parseJson(a), parseJson(b)),
  ),
  fallible("<@(jsonb,jsonb)", "bool", (a: string, b: string) =>
    containsJson(parseJson(b), parseJson(a)),
  ),
  fallible("?(jsonb,text)", "bool", (a: string, key: string) => hasKey(parseJson(a), key)),
  fallible("?|(jsonb,text[])", "bool", (a: string, keys: readonly (string | null)[]) => {
    const tree = parseJson(a);
    return keys.some((key) => key !== null && hasKey(tree, key));
  }),
  fallible("?&(jsonb,text[])", "bool", (a: string, keys: readonly (string | null)[]) => {
    const tree = parseJson(a);
    return keys.every((key) => key === null || hasKey(tree, key));
  }),
  fallible("||(jsonb,jsonb)", "jsonb", concatenated),
  fallible("-(jsonb,text)", "jsonb", (a: string, key: string) => withoutKeys(a, [key])),
  fallible("-(jsonb,text[])", "jsonb", withoutKeys),
  fallible("-(jsonb,int4)", "jsonb", withoutIndex),
  define("jsonb_typeof(jsonb)", "text", typeOfJson),
  fallible("jsonb_array_length(jsonb)", "int4", arrayLength),
  fallible("jsonb_strip_nulls(jsonb)", "jsonb", (a: string) =>
    printJson(withoutNulls(parseJson(a))),
  ),
];
