// Which operator or function is meant (manual, 10.2 and 10.3; parse_func.c, func_select_candidate).
import { convertsImplicitly } from "../functions/casts.js";
import type { Definition, ParameterType } from "../functions/definition.js";
import { categoryOf, elementOf, isEnum, isPreferred, type SqlType } from "../sql-type.js";

/** A definition with every type known. */
export interface Resolution {
  readonly definition: Definition;
  readonly parameters: readonly SqlType[];
  readonly result: SqlType;
}

/** One call's candidates are of one name. Null when none fits, `ambiguous` when several do. */
export function resolve(
  candidates: readonly Definition[],
  types: readonly SqlType[],
): Resolution | "ambiguous" | null {
  const fitting = candidates.filter((candidate) => accepts(candidate, types));
  if (fitting.length === 0) return null;
  const chosen = exact(fitting, types) ?? select(fitting, types);
  if (chosen === null) return "ambiguous";
  return bind(chosen, types);
}

/** The type that a definition wants at a position; the last one repeats if it may. */
function parameterAt(definition: Definition, i: number): ParameterType {
  const last = definition.parameters.length - 1;
  return definition.parameters[Math.min(i, last)] as ParameterType;
}

function accepts(definition: Definition, types: readonly SqlType[]): boolean {
  const { parameters, isVariadic } = definition;
  const isLength = isVariadic
    ? types.length >= parameters.length
    : types.length === parameters.length;
  return isLength && types.every((type, i) => coerces(type, parameterAt(definition, i)));
}

function coerces(type: SqlType, parameter: ParameterType): boolean {
  switch (parameter) {
    case "any":
    case "anyelement":
      return true;
    case "anyarray":
      return type === "unknown" || elementOf(type) !== null;
    case "anynonarray":
      return elementOf(type) === null;
    case "anyenum":
      return type === "unknown" || isEnum(type);
    default:
      return type === "unknown" || convertsImplicitly(type, parameter);
  }
}

/** One whose types are just these; of an operator's two, an unknown one is as the other. */
function exact(candidates: readonly Definition[], types: readonly SqlType[]): Definition | null {
  const [a, b] = types;
  const assumed =
    types.length !== 2 || a === b
      ? types
      : a === "unknown"
        ? [b as SqlType, b as SqlType]
        : b === "unknown"
          ? [a as SqlType, a as SqlType]
          : types;
  const isOperator = /^[^a-z]/.test(candidates[0]?.name ?? "");
  const wanted = isOperator ? assumed : types;
  return candidates.find((c) => wanted.every((type, i) => parameterAt(c, i) === type)) ?? null;
}

function select(all: readonly Definition[], types: readonly SqlType[]): Definition | null {
  const best = (
    candidates: readonly Definition[],
    scores: (type: SqlType, parameter: ParameterType) => boolean,
  ): readonly Definition[] => {
    const score = (candidate: Definition): number =>
      types.filter((type, i) => type !== "unknown" && scores(type, parameterAt(candidate, i)))
        .length;
    const top = Math.max(...candidates.map(score));
    return candidates.filter((candidate) => score(candidate) === top);
  };
  let left = best(all, (type, parameter) => type === parameter);
  if (left.length > 1) left = best(left, fitsCategory);
  if (left.length > 1) left = byUnknownCategory(left, types);
  if (left.length > 1) left = asIfAllSame(left, types);
  return left.length === 1 ? (left[0] as Definition) : null;
}

function fitsCategory(type: SqlType, parameter: ParameterType): boolean {
  if (type === parameter) return true;
  return isReal(parameter) && isPreferred(parameter) && categoryOf(parameter) === categoryOf(type);
}

function isReal(parameter: ParameterType): parameter is SqlType {
  return !parameter.startsWith("any");
}

/** For a literal: a string if any candidate takes one, else the category all agree on. */
function byUnknownCategory(
  candidates: readonly Definition[],
  types: readonly SqlType[],
): readonly Definition[] {
  let left = candidates;
  for (const [i, type] of types.entries()) {
    if (type !== "unknown") continue;
    const parameters = left.map((candidate) => parameterAt(candidate, i));
    const categories = parameters.map((p) => (isReal(p) ? categoryOf(p) : "P"));
    const category = categories.includes("S") ? "S" : categories[0];
    const agree = category === "S" || categories.every((other) => other === category);
    if (!agree) return candidates;
    const inCategory = left.filter((_, k) => categories[k] === category);
    const preferred = inCategory.filter((candidate) => {
      const parameter = parameterAt(candidate, i);
      return isReal(parameter) && isPreferred(parameter);
    });
    left = preferred.length > 0 ? preferred : inCategory;
  }
  return left.length > 0 ? left : candidates;
}

/** If all known types are one type, the unknown ones are taken for it, too. */
function asIfAllSame(
  candidates: readonly Definition[],
  types: readonly SqlType[],
): readonly Definition[] {
  const known = new Set(types.filter((type) => type !== "unknown"));
  const [only] = known;
  if (known.size !== 1 || only === undefined) return candidates;
  const fitting = candidates.filter((candidate) =>
    types.every((_, i) => coerces(only, parameterAt(candidate, i))),
  );
  return fitting.length === 1 ? fitting : candidates;
}

/** Types that have to be the same wherever a signature has them. */
const SHARED: readonly ParameterType[] = ["anyarray", "anyenum"];

/** Puts real types in the place of those that stand for several. */
function bind(definition: Definition, types: readonly SqlType[]): Resolution | null {
  const shared = types.filter((_, i) => SHARED.includes(parameterAt(definition, i)));
  const known = shared.find((type) => type !== "unknown");
  if (shared.some((type) => type !== "unknown" && type !== known)) return null;
  if (shared.length > 0 && known === undefined) return null;
  const real = (parameter: ParameterType, type: SqlType): SqlType => {
    if (isReal(parameter)) return parameter;
    if (SHARED.includes(parameter)) return known as SqlType;
    return type === "unknown" ? "text" : type;
  };
  return {
    definition,
    parameters: types.map((type, i) => real(parameterAt(definition, i), type)),
    result: isReal(definition.result) ? definition.result : (known as SqlType),
  };
}
