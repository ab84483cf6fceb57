// Operators and functions of one-dimensional arrays (manual, 9.19).
import { elementOf, type SqlType } from "../sql-type.js";
import { equalJson, parseJson } from "../values/json-tree.js";
import type { Value } from "../values/value.js";
import { comparerOf } from "./comparisons.js";
import { type CallSite, type Definition, define, prepared } from "./definition.js";

type Items = readonly Value[];
type Equal = (a: Value, b: Value) => boolean;

/** Equality of the elements of a call's first array. */
function elementEquality(site: CallSite): Equal {
  const element = elementOf(site.types[0] as SqlType) as SqlType;
  const compare = comparerOf(element);
  if (compare !== null) return (a, b) => compare(a, b) === 0;
  return (a, b) => equalJson(parseJson(a as string), parseJson(b as string));
}

/** Two NULLs are equal when whole arrays are compared. */
function equalArrays(equal: Equal): (a: Items, b: Items) => boolean {
  const same = (x: Value, y: Value): boolean => (x === null || y === null ? x === y : equal(x, y));
  return (a, b) => a.length === b.length && a.every((x, i) => same(x, b[i] as Value));
}

/** A NULL is contained in nothing. */
function contains(equal: Equal): (a: Items, b: Items) => boolean {
  const has = (items: Items, wanted: Value): boolean =>
    wanted !== null && items.some((item) => item !== null && equal(item, wanted));
  return (a, b) => b.every((wanted) => has(a, wanted));
}

function overlaps(equal: Equal): (a: Items, b: Items) => boolean {
  const inside = contains(equal);
  return (a, b) => b.some((item) => inside(a, [item]));
}

function comparing(name: string, make: (equal: Equal) => (a: Items, b: Items) => boolean) {
  return prepared(`${name}(anyarray,anyarray)`, "bool", {
    canFail: true,
    collates: "equality",
    prepare: (site) => make(elementEquality(site)),
  });
}

export const ARRAY_FUNCTIONS: readonly Definition[] = [
  comparing("=", equalArrays),
  comparing("<>", (equal) => {
    const same = equalArrays(equal);
    return (a, b) => !same(a, b);
  }),
  comparing("@>", contains),
  comparing("<@", (equal) => {
    const inside = contains(equal);
    return (a, b) => inside(b, a);
  }),
  comparing("&&", overlaps),
  define("cardinality(anyarray)", "int4", (items: Items) => items.length),
  define("array_length(anyarray,int4)", "int4", (items: Items, dimension: number) =>
    dimension === 1 && items.length > 0 ? items.length : null,
  ),
];
