// A checked tree as SQL. Casts that were not written stay unwritten: what is printed parses to the
// same tree again.
import { definitionOf } from "../functions/catalog.js";
import { printedType, type SqlType } from "../sql-type.js";
import type { Call, Cast, Constant, Expression, Membership } from "../tree.js";

/** A tree as PostgreSQL reads it. */
export function printSql(tree: Expression): string {
  return print(tree);
}

/** In parentheses where it is more than a word. */
function operand(tree: Expression): string {
  const text = print(tree);
  return isAtom(tree) ? text : `(${text})`;
}

function isAtom(tree: Expression): boolean {
  switch (tree.kind) {
    case "constant":
      return !(tree.form === "number" && tree.text?.startsWith("-"));
    case "reference":
    case "case":
    case "coalesce":
    case "greatest":
    case "least":
    case "nullif":
    case "array":
      return true;
    case "cast":
      return tree.implicit ? isAtom(tree.arg) : false;
    case "call":
      return isPlainFunction(definitionOf(tree.signature).name);
    default:
      return false;
  }
}

function isPlainFunction(name: string): boolean {
  return /^[a-z]/.test(name) && name !== "timezone";
}

function list(trees: readonly Expression[]): string {
  return trees.map(print).join(", ");
}

function print(tree: Expression): string {
  switch (tree.kind) {
    case "constant":
      return printConstant(tree);
    case "reference":
      return tree.sql;
    case "call":
      return printCall(tree);
    case "cast":
      return printCast(tree);
    case "and":
    case "or":
      return tree.args.map(operand).join(` ${tree.kind.toUpperCase()} `);
    case "not":
      return `NOT ${operand(tree.arg)}`;
    case "is null":
      return `${operand(tree.arg)} IS ${tree.negated ? "NOT " : ""}NULL`;
    case "is":
      return `${operand(tree.arg)} IS ${tree.negated ? "NOT " : ""}${tree.truth.toUpperCase()}`;
    case "distinct": {
      const not = tree.negated ? "NOT " : "";
      return `${operand(tree.left)} IS ${not}DISTINCT FROM ${operand(tree.right)}`;
    }
    case "case": {
      const branches = tree.branches.map((b) => ` WHEN ${print(b.when)} THEN ${print(b.result)}`);
      return `CASE${branches.join("")} ELSE ${print(tree.otherwise)} END`;
    }
    case "coalesce":
    case "greatest":
    case "least":
      return `${tree.kind.toUpperCase()}(${list(tree.args)})`;
    case "nullif":
      return `NULLIF(${print(tree.left)}, ${print(tree.right)})`;
    case "in":
      return printMembership(tree);
    case "any":
    case "all": {
      const { name } = definitionOf(tree.signature);
      return `${operand(tree.left)} ${name} ${tree.kind.toUpperCase()} (${print(tree.array)})`;
    }
    case "array":
      return `ARRAY[${list(tree.items)}]`;
    case "subscript":
      return `(${print(tree.arg)})[${print(tree.index)}]`;
    case "collate":
      return `${operand(tree.arg)} COLLATE "${tree.collation}"`;
  }
}

/** A string literal; backslashes need the form with E. */
export function quoteText(text: string): string {
  const quoted = `'${text.replaceAll("'", "''")}'`;
  return text.includes("\\") ? `E${quoted.replaceAll("\\", "\\\\")}` : quoted;
}

function printConstant({ text, form, type }: Constant): string {
  if (text === null) return "NULL";
  if (form === "boolean") return text.toUpperCase();
  if (form === "number") return text;
  const quoted = quoteText(text);
  return form === "literal" ? quoted : `${quoted}::${castName(type)}`;
}

function printCast({ arg, type, implicit, modifiers }: Cast): string {
  if (implicit) return print(arg);
  const size = modifiers.length === 0 ? "" : `(${modifiers.join(",")})`;
  const name = size === "" ? castName(type) : printedType(type);
  return `${operand(arg)}::${name}${size}`;
}

/** A type without a size: `character` alone would mean one character. */
function castName(type: SqlType): string {
  return type.startsWith("bpchar") ? type : printedType(type);
}

const WORDS: Readonly<Record<string, string>> = {
  ...{ "~~": "LIKE", "!~~": "NOT LIKE", "~~*": "ILIKE", "!~~*": "NOT ILIKE" },
};

function printCall({ signature, args }: Call): string {
  const { name } = definitionOf(signature);
  const [a, b, c, d] = args as [Expression, Expression, Expression, Expression];
  if (!/^[a-z]/.test(name)) {
    const word = WORDS[name] ?? name;
    return args.length === 1 ? `${word} ${operand(a)}` : `${operand(a)} ${word} ${operand(b)}`;
  }
  switch (name) {
    case "extract":
      return `EXTRACT(${print(a)} FROM ${print(b)})`;
    case "timezone":
      return `${operand(b)} AT TIME ZONE ${operand(a)}`;
    case "position":
      return `POSITION(${operand(b)} IN ${operand(a)})`;
    case "overlay": {
      const length = d === undefined ? "" : ` FOR ${print(d)}`;
      return `OVERLAY(${print(a)} PLACING ${print(b)} FROM ${print(c)}${length})`;
    }
    default:
      return `${name}(${list(args)})`;
  }
}

function printMembership({ left, items, negated }: Membership): string {
  return `${operand(left)} ${negated ? "NOT " : ""}IN (${list(items)})`;
}
