// Operators and functions: finds the one that is meant and gives its arguments their types.
import type { A_Expr, FuncCall, SQLValueFunction } from "libpg-query";
import { collationOf, combined, isDeterministic, ordersByCodePoint } from "../collation.js";
import { definitionsNamed, functionNames } from "../functions/catalog.js";
import type { Definition } from "../functions/definition.js";
import type { RawNode } from "../grammar.js";
import type { Named, ScopeArgument } from "../scope.js";
import { categoryOf, printedType, type SqlType, typeNamed } from "../sql-type.js";
import type { Call, Expression, Reference } from "../tree.js";
import { castTo, coerce } from "./coerce.js";
import { type CheckContext, nearest } from "./context.js";
import { dottedName, nameOf } from "./raw-names.js";
import { type Resolution, resolve } from "./resolve.js";
import { unsupportedFunction } from "./unsupported.js";

/** An operator between checked trees. */
export function operatorCall(
  context: CheckContext,
  name: string,
  { args, at }: { args: readonly Expression[]; at: number },
): Call {
  return callOf(context, operatorNamed(context, name, { args, at }), { args, at });
}

/** Which operator is meant between these. */
export function operatorNamed(
  context: CheckContext,
  name: string,
  { args, at }: { args: readonly { readonly type: SqlType }[]; at: number },
): Resolution {
  const candidates = definitionsNamed(name === "!=" ? "<>" : name);
  const types = args.map((arg) => arg.type);
  const found = resolve(candidates, types);
  if (found !== null && found !== "ambiguous") return found;
  const printed = types.map(printedType);
  const shown = printed.length === 1 ? `${name} ${printed[0]}` : printed.join(` ${name} `);
  if (found === "ambiguous") {
    throw context.invalid(at, `${shown} may mean several operators: cast a side.`);
  }
  throw context.invalid(at, `there is no operator ${shown}${supported(candidates, types.length)}.`);
}

function supported(candidates: readonly Definition[], count: number): string {
  const fitting = candidates.filter((candidate) => candidate.parameters.length === count);
  if (fitting.length === 0) return " that expressions know";
  const pairs = fitting.slice(0, 6).map((candidate) => candidate.parameters.join(" and "));
  return `; it is there for ${pairs.join(", ")}${fitting.length > 6 ? ", …" : ""}`;
}

/** The call of a definition; its arguments become of its types. */
export function callOf(
  context: CheckContext,
  resolution: Resolution,
  { args, at }: { args: readonly Expression[]; at: number },
): Call {
  const { definition, parameters, result } = resolution;
  const typed = args.map((arg, i) => coerce(context, arg, parameters[i] as SqlType));
  return {
    kind: "call",
    type: result,
    signature: definition.signature,
    args: typed,
    collation: checkedCollation(context, definition, { args: typed, at }),
    at,
  };
}

/** The collation that a definition works under; refused where it cannot be matched. */
export function checkedCollation(
  context: CheckContext,
  { collates, name }: Pick<Definition, "collates" | "name">,
  { args, at }: { args: readonly Expression[]; at: number },
): string | null {
  if (collates === null) return null;
  const texts = args.filter((arg) => /^[SA]$/.test(categoryOf(arg.type)));
  const state = combined(texts.map((arg) => collationOf(arg, context.scope.collation)));
  if (state.strength === "conflict") {
    throw context.invalid(at, `${name} compares texts of two collations: say COLLATE "C".`);
  }
  const collation = state.name ?? context.scope.collation;
  if (!isDeterministic(collation)) {
    throw context.invalid(
      at,
      `${name} works under a collation in which different texts are equal, which cannot be ` +
        'matched: say COLLATE "C".',
    );
  }
  if (collates === "order" && !ordersByCodePoint(collation)) {
    const known = collation === null ? "is not known" : `is "${collation}"`;
    throw context.invalid(
      at,
      `${name} orders text, and the collation ${known}, whose order cannot be matched: say ` +
        'COLLATE "C" behind the text.',
    );
  }
  return collates === "equality" ? null : collation;
}

/** `name(…)` as it was parsed. */
export function functionCall(context: CheckContext, raw: FuncCall): Expression {
  const at = context.offset(raw.location);
  const name = nameOf(raw.funcname);
  if (name === null) throw context.invalid(at, "a function has a plain name here.");
  const own = context.scope.call?.(name, scopeArguments(raw));
  if (typeof own === "string") throw context.invalid(at, `${own}.`);
  if (own !== null && own !== undefined) return referenceTo(own, at);
  refuseForms(context, raw, name);
  if (name === "now" || name === "transaction_timestamp") {
    if (raw.args === undefined) return commitTime(context, at);
  }
  const args = (raw.args ?? []).map((arg) => context.check(arg));
  const types = args.map((arg) => arg.type);
  const candidates = definitionsNamed(name).filter((definition) => isFunction(definition.name));
  const found = resolve(candidates, types);
  if (found === "ambiguous") {
    throw context.invalid(at, `${name}() may mean several functions: cast an argument.`);
  }
  if (found !== null) return callOf(context, found, { args, at });
  const type = typeNamed(name);
  const [only] = args;
  if (type !== null && args.length === 1 && only?.type === "unknown") {
    return castTo(context, only, { type, modifiers: [], at });
  }
  throw noFunction(context, { name, types, at, candidates });
}

function isFunction(name: string): boolean {
  return /^[a-z]/.test(name);
}

/** What a scope's own function could be called with; other arguments are left out. */
function scopeArguments(raw: FuncCall): readonly ScopeArgument[] {
  if (raw.agg_star === true) return ["*"];
  return (raw.args ?? []).flatMap((arg): ScopeArgument[] => {
    if ("ColumnRef" in arg) {
      const path = dottedName(arg.ColumnRef);
      return path === null ? [] : [path];
    }
    const isNumber = "A_Const" in arg && arg.A_Const.ival !== undefined;
    return isNumber ? [arg.A_Const.ival?.ival ?? 0] : [];
  });
}

function refuseForms(context: CheckContext, raw: FuncCall, name: string): void {
  const at = context.offset(raw.location);
  const refused: readonly (readonly [boolean, string])[] = [
    [raw.over !== undefined, "a window function"],
    [raw.agg_star === true || raw.agg_filter !== undefined, "an aggregate"],
    [raw.agg_distinct === true || raw.agg_order !== undefined, "an aggregate"],
    [raw.func_variadic === true, "a call with VARIADIC"],
    [(raw.args ?? []).some((arg) => "NamedArgExpr" in arg), "a call with named arguments"],
  ];
  const form = refused.find(([is]) => is);
  if (form !== undefined) throw context.invalid(at, `${name}(): ${form[1]} is not supported.`);
}

function noFunction(
  context: CheckContext,
  call: {
    readonly name: string;
    readonly types: readonly SqlType[];
    readonly at: number;
    readonly candidates: readonly Definition[];
  },
): Error {
  const { name, types, at, candidates } = call;
  const known = unsupportedFunction(name);
  if (known !== null) return context.invalid(at, known);
  const shown = `${name}(${types.map(printedType).join(", ")})`;
  if (candidates.length > 0) {
    const forms = candidates.slice(0, 6).map(({ signature }) => signature);
    return context.invalid(at, `there is no ${shown}; there is ${forms.join(", ")}.`);
  }
  const near = nearest(name, functionNames());
  const hint = near === null ? "; docs/expressions.md lists them" : `; the nearest is ${near}()`;
  return context.invalid(at, `there is no function ${shown} that expressions know${hint}.`);
}

/** The time of the commit, which is what "now" means to a replay. */
function commitTime(context: CheckContext, at: number): Reference {
  const { now } = context.scope;
  if (typeof now !== "string") return referenceTo(now, at);
  throw context.invalid(at, `now() has no fixed meaning here: ${now}.`);
}

/** `current_timestamp` and its kind. */
export function timeKeyword(context: CheckContext, raw: SQLValueFunction): Expression {
  const at = context.offset(raw.location);
  const types: Readonly<Record<string, SqlType>> = {
    SVFOP_CURRENT_TIMESTAMP: "timestamptz",
    SVFOP_CURRENT_DATE: "date",
    SVFOP_LOCALTIMESTAMP: "timestamp",
    SVFOP_LOCALTIME: "time",
  };
  const type = types[raw.op ?? ""];
  if (type === undefined) {
    throw context.invalid(at, "of the session's values only its time is known here: now().");
  }
  return castTo(context, commitTime(context, at), { type, modifiers: [], at });
}

/** A node for what the scope supplies. */
export function referenceTo(named: Named, at: number): Reference {
  const { key, sql, type, typeOid, collation } = named;
  return { kind: "reference", key, sql, type, typeOid, collation, at };
}

/** The operator's name in a parsed expression. */
export function operatorOf(context: CheckContext, raw: A_Expr): string {
  const name = nameOf(raw.name);
  if (name !== null) return name;
  throw context.invalid(context.offset(raw.location), "an operator has a plain name here.");
}

/** Both sides of a parsed operator, checked; a prefix operator has one. */
export function operandsOf(context: CheckContext, raw: A_Expr): Expression[] {
  const sides = [raw.lexpr, raw.rexpr].filter((side): side is RawNode => side !== undefined);
  return sides.map((side) => context.check(side));
}
