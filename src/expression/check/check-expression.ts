import type { A_Const } from "libpg-query";
import { type Grammar, offsetReader, type RawNode } from "../grammar.js";
import type { Scope } from "../scope.js";
import type { Constant, Expression } from "../tree.js";
import { functionCall, timeKeyword } from "./calls.js";
import { asCondition, settled } from "./coerce.js";
import { type CheckContext, checkContext } from "./context.js";
import * as forms from "./forms.js";

/**
 * Parses a text and checks it: every name resolved in the scope, every type known. Throws
 * EXPRESSION_INVALID with line and column for what is wrong or not supported.
 */
export function checkExpression(grammar: Grammar, text: string, scope: Scope): Expression {
  const raw = grammar.parse(text);
  const context = checkContext({ text, scope, offset: offsetReader(text) }, checkNode);
  return settled(context, context.check(raw));
}

/** The same for a text that has to be a condition. */
export function checkCondition(grammar: Grammar, text: string, scope: Scope): Expression {
  const raw = grammar.parse(text);
  const context = checkContext({ text, scope, offset: offsetReader(text) }, checkNode);
  return asCondition(context, context.check(raw), "a filter");
}

function checkNode(raw: RawNode, context: CheckContext): Expression {
  if ("A_Const" in raw) return constant(context, raw.A_Const);
  if ("ColumnRef" in raw) return forms.columnRef(context, raw.ColumnRef);
  if ("A_Expr" in raw) return forms.operatorForm(context, raw.A_Expr);
  if ("BoolExpr" in raw) return forms.boolExpr(context, raw.BoolExpr);
  if ("FuncCall" in raw) return functionCall(context, raw.FuncCall);
  if ("TypeCast" in raw) return forms.typeCast(context, raw.TypeCast);
  if ("NullTest" in raw) return forms.nullTest(context, raw.NullTest);
  if ("BooleanTest" in raw) return forms.truthTest(context, raw.BooleanTest);
  if ("CaseExpr" in raw) return forms.caseExpr(context, raw.CaseExpr);
  if ("CoalesceExpr" in raw) return forms.coalesce(context, raw.CoalesceExpr);
  if ("MinMaxExpr" in raw) return forms.extreme(context, raw.MinMaxExpr);
  if ("A_ArrayExpr" in raw) return forms.arrayExpr(context, raw.A_ArrayExpr);
  if ("A_Indirection" in raw) return forms.subscript(context, raw.A_Indirection);
  if ("CollateClause" in raw) return forms.collate(context, raw.CollateClause);
  if ("SQLValueFunction" in raw) return timeKeyword(context, raw.SQLValueFunction);
  throw unsupportedForm(context, raw);
}

const FORMS: Readonly<Record<string, string>> = {
  SubLink: "a subquery: an expression sees one row",
  ParamRef: "a parameter: write the value, or put it into sql`…` itself",
  RowExpr: "a row of values: compare the columns one by one",
  SetToDefault: "DEFAULT",
  GroupingFunc: "GROUPING",
  XmlExpr: "XML",
  JsonFuncExpr: "SQL/JSON: use -> and ->>",
  JsonIsPredicate: "IS JSON: use jsonb_typeof()",
};

function unsupportedForm(context: CheckContext, raw: RawNode): Error {
  const [kind = "", node] = Object.entries(raw)[0] ?? [];
  const location = (node as { location?: number } | undefined)?.location;
  const form = FORMS[kind] ?? `the form ${kind}`;
  return context.invalid(context.offset(location), `not supported: ${form}.`);
}

/** A number, a string, a truth value or NULL; a string has no type yet. */
function constant(context: CheckContext, raw: A_Const): Constant {
  const at = context.offset(raw.location);
  const made = (type: Constant["type"], text: string | null, form: Constant["form"]): Constant => ({
    kind: "constant",
    type,
    text,
    form,
    at,
  });
  if (raw.isnull === true) return made("unknown", null, "literal");
  if (raw.boolval !== undefined) {
    return made("bool", raw.boolval.boolval === true ? "true" : "false", "boolean");
  }
  if (raw.ival !== undefined) return made("int4", String(raw.ival.ival ?? 0), "number");
  if (raw.fval !== undefined) return decimal(raw.fval.fval ?? "0", made);
  if (raw.sval !== undefined) return made("unknown", raw.sval.sval ?? "", "literal");
  throw context.invalid(at, "bit strings are not supported.");
}

/** A number that is no int4: int8 if it is whole and fits, else numeric. */
function decimal(
  text: string,
  made: (type: Constant["type"], text: string, form: Constant["form"]) => Constant,
): Constant {
  const digits = text.replaceAll("_", "");
  if (/^-?(?:\d+|0[xob][\da-f]+)$/i.test(digits)) {
    const magnitude = BigInt(digits.replace(/^-/, ""));
    const value = digits.startsWith("-") ? -magnitude : magnitude;
    const fits = BigInt.asIntN(64, value) === value;
    return made(fits ? "int8" : "numeric", String(value), "number");
  }
  return made("numeric", digits, "number");
}
