// The forms of the grammar that are no plain operator or function.
import type {
  A_ArrayExpr,
  A_Expr,
  A_Indirection,
  BoolExpr,
  BooleanTest,
  CaseExpr,
  CoalesceExpr,
  CollateClause,
  ColumnRef,
  MinMaxExpr,
  NullTest,
  TypeCast,
  TypeName,
} from "libpg-query";
import type { RawNode } from "../grammar.js";
import { categoryOf, elementOf, printedType, type SqlType, typeNamed } from "../sql-type.js";
import { type Expression, referencesOf } from "../tree.js";
import {
  checkedCollation,
  operandsOf,
  operatorCall,
  operatorNamed,
  operatorOf,
  referenceTo,
} from "./calls.js";
import {
  asCondition,
  castTo,
  checkModifiers,
  coerce,
  commonType,
  settled,
  unified,
} from "./coerce.js";
import { type CheckContext, nearest } from "./context.js";
import { dottedName, nameOf } from "./raw-names.js";

/** AND, OR and NOT; what is nested in its own kind is flat. */
export function boolExpr(context: CheckContext, raw: BoolExpr): Expression {
  const at = context.offset(raw.location);
  const args = (raw.args ?? []).map((arg) => {
    const name = raw.boolop?.replace("_EXPR", "") ?? "";
    return asCondition(context, context.check(arg), name);
  });
  if (raw.boolop === "NOT_EXPR") {
    return { kind: "not", type: "bool", arg: args[0] as Expression, at };
  }
  return connected(raw.boolop === "AND_EXPR" ? "and" : "or", args, at);
}

/** Joins conditions; a single one stays as it is. */
export function connected(kind: "and" | "or", args: readonly Expression[], at: number): Expression {
  const flat = args.flatMap((arg) => (arg.kind === kind ? arg.args : [arg]));
  const [first] = flat;
  if (flat.length === 1 && first !== undefined) return first;
  return { kind, type: "bool", args: flat, at };
}

/** The forms that the grammar writes as an operator. */
export function operatorForm(context: CheckContext, raw: A_Expr): Expression {
  const at = context.offset(raw.location);
  switch (raw.kind) {
    case "AEXPR_OP":
    case "AEXPR_LIKE":
    case "AEXPR_ILIKE":
    case "AEXPR_SIMILAR": {
      const args = operandsOf(context, raw);
      return operatorCall(context, operatorOf(context, raw), { args, at });
    }
    case "AEXPR_DISTINCT":
    case "AEXPR_NOT_DISTINCT":
      return distinct(context, raw, at);
    case "AEXPR_NULLIF": {
      const [left, right] = operandsOf(context, raw) as [Expression, Expression];
      const call = operatorCall(context, "=", { args: [left, right], at });
      const [a, b] = call.args as [Expression, Expression];
      return { kind: "nullif", type: a.type, signature: call.signature, left: a, right: b, at };
    }
    case "AEXPR_IN":
      return membership(context, raw, at);
    case "AEXPR_OP_ANY":
    case "AEXPR_OP_ALL":
      return quantified(context, raw, at);
    default:
      return between(context, raw, at);
  }
}

function distinct(context: CheckContext, raw: A_Expr, at: number): Expression {
  const [left, right] = operandsOf(context, raw) as [Expression, Expression];
  const negated = raw.kind === "AEXPR_NOT_DISTINCT";
  const isNull = (side: Expression): boolean => side.kind === "constant" && side.text === null;
  if (isNull(right) || isNull(left)) {
    const arg = settled(context, isNull(right) ? left : right);
    return { kind: "is null", type: "bool", arg, negated: !negated, at };
  }
  const call = operatorCall(context, "=", { args: [left, right], at });
  const [a, b] = call.args as [Expression, Expression];
  const { signature } = call;
  return { kind: "distinct", type: "bool", signature, left: a, right: b, negated, at };
}

/** BETWEEN is two comparisons, as PostgreSQL has it. */
function between(context: CheckContext, raw: A_Expr, at: number): Expression {
  const items = listOf(raw.rexpr);
  const [low, high] = items.map((item) => context.check(item)) as [Expression, Expression];
  const value = context.check(raw.lexpr);
  const compare = (name: string, side: Expression): Expression =>
    operatorCall(context, name, { args: [value, side], at });
  const inside = (a: Expression, b: Expression): Expression =>
    connected("and", [compare(">=", a), compare("<=", b)], at);
  const outside = (a: Expression, b: Expression): Expression =>
    connected("or", [compare("<", a), compare(">", b)], at);
  switch (raw.kind) {
    case "AEXPR_BETWEEN":
      return inside(low, high);
    case "AEXPR_NOT_BETWEEN":
      return outside(low, high);
    case "AEXPR_BETWEEN_SYM":
      return connected("or", [inside(low, high), inside(high, low)], at);
    case "AEXPR_NOT_BETWEEN_SYM":
      return connected("and", [outside(low, high), outside(high, low)], at);
    default:
      throw context.invalid(at, "this form is not supported.");
  }
}

/** IN: values that were written down are one list of one type, others are compared one by one. */
function membership(context: CheckContext, raw: A_Expr, at: number): Expression {
  const left = context.check(raw.lexpr);
  const negated = operatorOf(context, raw) === "<>";
  const items = listOf(raw.rexpr).map((item) => context.check(item));
  const written = items.filter((item) => referencesOf(item).length === 0);
  const type = written.length > 1 ? commonType([left, ...written]) : null;
  const name = negated ? "<>" : "=";
  if (type === null) {
    const calls = items.map((item) => operatorCall(context, name, { args: [left, item], at }));
    return connected(negated ? "and" : "or", calls, at);
  }
  const types = [{ type: left.type }, { type }];
  const operator = operatorNamed(context, name, { args: types, at });
  const [leftType, itemType] = operator.parameters as [SqlType, SqlType];
  const operand = coerce(context, left, leftType);
  const list = written.map((item) => coerce(context, coerce(context, item, type), itemType));
  checkedCollation(context, operator.definition, { args: [operand, ...list], at });
  const { signature } = operator.definition;
  const inList: Expression = {
    ...{ kind: "in", type: "bool", signature, left: operand, items: list, negated, at },
  };
  const others = items
    .filter((item) => !written.includes(item))
    .map((item) => operatorCall(context, name, { args: [left, item], at }));
  return connected(negated ? "and" : "or", [inList, ...others], at);
}

function listOf(raw: RawNode | undefined): readonly RawNode[] {
  return raw !== undefined && "List" in raw ? (raw.List.items ?? []) : [];
}

/** `x = ANY (array)`, `x <> ALL (array)`. */
function quantified(context: CheckContext, raw: A_Expr, at: number): Expression {
  const [left, right] = operandsOf(context, raw) as [Expression, Expression];
  const element = right.type === "unknown" ? "unknown" : elementOf(right.type);
  if (element === null) throw context.invalid(right.at, "ANY and ALL take an array here.");
  const types: { type: SqlType }[] = [{ type: left.type }, { type: element }];
  const operator = operatorNamed(context, operatorOf(context, raw), { args: types, at });
  const { definition, parameters, result } = operator;
  const [leftType, itemType] = parameters as [SqlType, SqlType];
  if (result !== "bool") throw context.invalid(at, "ANY and ALL take an operator that compares.");
  if (elementOf(itemType) !== null || itemType === "unknown") {
    throw context.invalid(right.at, "the array needs a type: cast it.");
  }
  const operand = coerce(context, left, leftType);
  const array = coerce(context, right, `${itemType}[]` as SqlType);
  const collation = checkedCollation(context, definition, { args: [operand, array], at });
  const kind = raw.kind === "AEXPR_OP_ANY" ? "any" : "all";
  const { signature } = definition;
  return { kind, type: "bool", signature, left: operand, array, collation, at };
}

/** CASE; the form with a value in front is one with comparisons. */
export function caseExpr(context: CheckContext, raw: CaseExpr): Expression {
  const at = context.offset(raw.location);
  const subject = raw.arg === undefined ? null : settled(context, context.check(raw.arg));
  const branches = (raw.args ?? []).flatMap((arg) => {
    if (!("CaseWhen" in arg)) return [];
    const { expr, result, location } = arg.CaseWhen;
    const when = context.check(expr);
    const condition =
      subject === null
        ? asCondition(context, when, "WHEN")
        : operatorCall(context, "=", { args: [subject, when], at: context.offset(location) });
    return [{ when: condition, result: context.check(result) }];
  });
  const otherwise: Expression =
    raw.defresult === undefined
      ? { kind: "constant", type: "unknown", text: null, form: "literal", at }
      : context.check(raw.defresult);
  const results = [otherwise, ...branches.map((branch) => branch.result)];
  const { type, trees } = unified(context, results, "CASE");
  const [last, ...thens] = trees as [Expression, ...Expression[]];
  return {
    kind: "case",
    type,
    branches: branches.map(({ when }, i) => ({ when, result: thens[i] as Expression })),
    otherwise: last,
    at,
  };
}

export function coalesce(context: CheckContext, raw: CoalesceExpr): Expression {
  const args = (raw.args ?? []).map((arg) => context.check(arg));
  const { type, trees } = unified(context, args, "COALESCE");
  return { kind: "coalesce", type, args: trees, at: context.offset(raw.location) };
}

/** GREATEST and LEAST. */
export function extreme(context: CheckContext, raw: MinMaxExpr): Expression {
  const at = context.offset(raw.location);
  const kind = raw.op === "IS_GREATEST" ? "greatest" : "least";
  const args = (raw.args ?? []).map((arg) => context.check(arg));
  const { type, trees } = unified(context, args, kind.toUpperCase());
  const order = operatorNamed(context, "<", { args: [{ type }, { type }], at });
  const typed = trees.map((tree) => coerce(context, tree, order.parameters[0] as SqlType));
  const definition = { ...order.definition, name: kind.toUpperCase() };
  const collation = checkedCollation(context, definition, { args: typed, at });
  return { kind, type, args: trees, collation, at };
}

export function nullTest(context: CheckContext, raw: NullTest): Expression {
  const arg = settled(context, context.check(raw.arg));
  const negated = raw.nulltesttype === "IS_NOT_NULL";
  return { kind: "is null", type: "bool", arg, negated, at: context.offset(raw.location) };
}

export function truthTest(context: CheckContext, raw: BooleanTest): Expression {
  const name = (raw.booltesttype ?? "").replace("IS_", "").toLowerCase();
  const negated = name.startsWith("not_");
  const truth = name.replace("not_", "") as "true" | "false" | "unknown";
  const arg = asCondition(context, context.check(raw.arg), "IS");
  return { kind: "is", type: "bool", truth, arg, negated, at: context.offset(raw.location) };
}

export function columnRef(context: CheckContext, raw: ColumnRef): Expression {
  const at = context.offset(raw.location);
  const path = dottedName(raw);
  if (path === null) throw context.invalid(at, "* names no value here.");
  const named = context.scope.resolve(path);
  if (typeof named === "string") throw context.invalid(at, `${named}.`);
  if (named !== null) return referenceTo(named, at);
  const near = nearest(path.at(-1) ?? "", context.scope.names);
  const known = context.scope.names.slice(0, 20).join(", ");
  const hint = near === null ? `there are ${known}` : `did you mean ${near}?`;
  const end = near === null ? "." : "";
  throw context.invalid(at, `there is no column ${path.join(".")}; ${hint}${end}`);
}

export function typeCast(context: CheckContext, raw: TypeCast): Expression {
  const arg = context.check(raw.arg);
  const at = raw.location === undefined || raw.location < 0 ? arg.at : context.offset(raw.location);
  const to = typeOf(context, raw.typeName, at);
  checkModifiers(context, to);
  return castTo(context, arg, to);
}

function typeOf(
  context: CheckContext,
  raw: TypeName | undefined,
  at: number,
): { type: SqlType; modifiers: readonly number[]; at: number } {
  const name = nameOf(raw?.names);
  const scalar =
    name === null ? null : (typeNamed(name) ?? context.scope.typeNamed?.(name) ?? null);
  if (scalar === null || raw?.setof === true || raw?.pct_type === true) {
    const shown = (raw?.names ?? []).map((p) => ("String" in p ? p.String.sval : "")).join(".");
    throw context.invalid(at, `the type ${shown} is not one that expressions know.`);
  }
  const bounds = raw?.arrayBounds ?? [];
  if (bounds.length > 1) throw context.invalid(at, "arrays have one dimension here.");
  const modifiers = (raw?.typmods ?? []).map((modifier) => {
    if ("A_Const" in modifier && modifier.A_Const.ival !== undefined) {
      return modifier.A_Const.ival.ival ?? 0;
    }
    throw context.invalid(at, "the size of a type is a number.");
  });
  if (bounds.length === 0) return { type: scalar, modifiers, at };
  return { type: `${scalar}[]` as SqlType, modifiers, at };
}

export function arrayExpr(context: CheckContext, raw: A_ArrayExpr): Expression {
  const at = context.offset(raw.location);
  const items = (raw.elements ?? []).map((element) => context.check(element));
  if (items.length === 0) {
    throw context.invalid(at, "an empty array needs a type: '{}'::integer[].");
  }
  const { type, trees } = unified(context, items, "ARRAY");
  if (elementOf(type) !== null) throw context.invalid(at, "arrays have one dimension here.");
  return { kind: "array", type: `${type}[]` as SqlType, items: trees, at };
}

/** `a[1]`; slices and fields are refused. */
export function subscript(context: CheckContext, raw: A_Indirection): Expression {
  const arg = context.check(raw.arg);
  const [first, ...more] = raw.indirection ?? [];
  const isOne = first !== undefined && "A_Indices" in first && more.length === 0;
  const indices = isOne ? first.A_Indices : undefined;
  const element = elementOf(arg.type);
  if (indices === undefined || indices.is_slice === true || element === null) {
    throw context.invalid(arg.at, "only one element of an array can be taken: a[1].");
  }
  const index = context.check(indices.uidx);
  if (index.type !== "unknown" && categoryOf(index.type) !== "N") {
    throw context.invalid(index.at, "an element is taken by its number.");
  }
  const isWhole = ["unknown", "int2", "int4", "int8"].includes(index.type);
  if (!isWhole) throw context.invalid(index.at, `${printedType(index.type)} counts no elements.`);
  return {
    kind: "subscript",
    type: element,
    arg,
    index: coerce(context, index, "int4"),
    at: arg.at,
  };
}

export function collate(context: CheckContext, raw: CollateClause): Expression {
  const at = context.offset(raw.location);
  const arg = settled(context, context.check(raw.arg));
  const collation = nameOf(raw.collname);
  if (categoryOf(arg.type) !== "S") {
    throw context.invalid(at, `${printedType(arg.type)} has no collation.`);
  }
  if (collation === null || !/^(?:C|POSIX|ucs_basic|pg_c_utf8|C\.utf-?8)$/i.test(collation)) {
    throw context.invalid(
      at,
      'of the collations, "C", "POSIX", "ucs_basic" and "C.UTF-8" are known.',
    );
  }
  return { kind: "collate", type: arg.type, arg, collation, at };
}
