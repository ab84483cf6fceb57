// A checked tree as Flink SQL, where that means the same; anything else is refused. Flink names
// columns in backticks, has no `::`, and its LIKE has no escape character unless one is named.
import { TidemarkError } from "../../core/errors.js";
import { definitionOf } from "../functions/catalog.js";
import type { SqlType } from "../sql-type.js";
import type { Call, Cast, Constant, Expression } from "../tree.js";

const TYPES: Readonly<Partial<Record<SqlType, string>>> = {
  bool: "BOOLEAN",
  int2: "SMALLINT",
  int4: "INT",
  int8: "BIGINT",
  float4: "FLOAT",
  float8: "DOUBLE",
  text: "STRING",
  varchar: "STRING",
  date: "DATE",
  timestamp: "TIMESTAMP(6)",
  timestamptz: "TIMESTAMP_LTZ(6)",
};

/** Operators and functions of the same meaning under the same name. */
const SAME: ReadonlySet<string> = new Set([
  ...["=", "<>", "<", "<=", ">", ">=", "+", "-", "*", "||"],
  ...["lower", "upper", "abs", "ceil", "floor", "char_length", "replace", "reverse"],
  ...["left", "right", "md5", "sign", "ascii", "repeat", "initcap"],
]);

/** Units of EXTRACT that both count alike. */
const UNITS: readonly string[] = [
  "year",
  "quarter",
  "month",
  "week",
  "day",
  "doy",
  "hour",
  "minute",
];

/** A tree as Flink SQL. Throws EXPRESSION_INVALID for what has no counterpart of its meaning. */
export function printFlinkSql(tree: Expression): string {
  return print(tree);
}

function print(tree: Expression): string {
  switch (tree.kind) {
    case "constant":
      return constant(tree);
    case "reference":
      return reference(tree.sql);
    case "call":
      return call(tree);
    case "cast":
      return cast(tree);
    case "and":
    case "or":
      return `(${tree.args.map(print).join(` ${tree.kind.toUpperCase()} `)})`;
    case "not":
      return `(NOT ${print(tree.arg)})`;
    case "is null":
      return `(${print(tree.arg)} IS ${tree.negated ? "NOT " : ""}NULL)`;
    case "is":
      return `(${print(tree.arg)} IS ${tree.negated ? "NOT " : ""}${tree.truth.toUpperCase()})`;
    case "distinct": {
      const not = tree.negated ? "NOT " : "";
      return `(${print(tree.left)} IS ${not}DISTINCT FROM ${print(tree.right)})`;
    }
    case "case": {
      const branches = tree.branches.map((b) => ` WHEN ${print(b.when)} THEN ${print(b.result)}`);
      return `CASE${branches.join("")} ELSE ${print(tree.otherwise)} END`;
    }
    case "coalesce":
      return `COALESCE(${tree.args.map(print).join(", ")})`;
    case "nullif":
      return `NULLIF(${print(tree.left)}, ${print(tree.right)})`;
    case "in": {
      const items = tree.items.map(print).join(", ");
      return `(${print(tree.left)} ${tree.negated ? "NOT " : ""}IN (${items}))`;
    }
    // GREATEST and LEAST are NULL there as soon as one argument is; ARRAYs have no ANY.
    default:
      throw untranslatable(tree.kind.toUpperCase());
  }
}

function reference(sql: string): string {
  if (sql === "now()") throw untranslatable("now(), the commit's time,");
  const plain = /^"(.*)"$/.exec(sql)?.[1]?.replaceAll('""', '"') ?? sql;
  return `\`${plain.replaceAll("`", "``")}\``;
}

function quote(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}

function constant({ text, type, form }: Constant): string {
  if (text === null) return `CAST(NULL AS ${typeOf(type)})`;
  if (form === "number") return text.startsWith("-") ? `(${text})` : text;
  if (form === "boolean") return text.toUpperCase();
  return type === "text" || type === "varchar"
    ? quote(text)
    : `CAST(${quote(text)} AS ${typeOf(type)})`;
}

function typeOf(type: SqlType, modifiers: readonly number[] = []): string {
  if (type === "numeric" && modifiers.length > 0) return `DECIMAL(${modifiers.join(", ")})`;
  const name = TYPES[type];
  if (name === undefined || modifiers.length > 0) throw untranslatable(`the type ${type}`);
  return name;
}

/** Both sides of a comparison are brought to one type there, too. */
function cast({ arg, type, implicit, modifiers }: Cast): string {
  return implicit ? print(arg) : `CAST(${print(arg)} AS ${typeOf(type, modifiers)})`;
}

function call({ signature, args }: Call): string {
  const { name } = definitionOf(signature);
  const [a, b] = args as [Expression, Expression];
  if (name === "~~" || name === "!~~") {
    const not = name === "~~" ? "" : "NOT ";
    return `(${print(a)} ${not}LIKE ${print(b)} ESCAPE '\\')`;
  }
  if (name === "length" && a.type === "text") return `CHAR_LENGTH(${print(a)})`;
  if (name === "%" && /int/.test(signature)) return `MOD(${print(a)}, ${print(b)})`;
  if (name === "/" && /int/.test(signature)) return `(${print(a)} / ${print(b)})`;
  if (name === "->>" && signature.endsWith("text)") && a.kind === "reference") {
    return jsonValue(a, b);
  }
  if (name === "extract" && a.kind === "constant" && UNITS.includes(a.text ?? "")) {
    return `EXTRACT(${a.text?.toUpperCase()} FROM ${print(b)})`;
  }
  if (!SAME.has(name)) throw untranslatable(signature);
  if (/^[a-z]/.test(name)) return `${name.toUpperCase()}(${args.map(print).join(", ")})`;
  return args.length === 1 ? `(${name} ${print(a)})` : `(${print(a)} ${name} ${print(b)})`;
}

function jsonValue(document: Expression, key: Expression): string {
  const name = key.kind === "constant" ? key.text : null;
  if (name === null || /["\\]/.test(name)) throw untranslatable("a key that is not plain");
  return `JSON_VALUE(${print(document)}, '$."${name.replaceAll("'", "''")}"')`;
}

function untranslatable(what: string): TidemarkError {
  return new TidemarkError(
    "EXPRESSION_INVALID",
    `${what} has no counterpart of the same meaning in Flink SQL.`,
  );
}
