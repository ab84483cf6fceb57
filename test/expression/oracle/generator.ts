// Random expressions whose type is known. Every operator and function gets its turn: the generator
// is told which one stands at the top, the rest grows below it.
import { conversionOf } from "../../../src/expression/functions/casts.js";
import type { Definition, ParameterType } from "../../../src/expression/functions/definition.js";
import { printedType, SCALAR_TYPES, type SqlType } from "../../../src/expression/sql-type.js";
import type { Random } from "../../torture/random.js";
import { specialArgument } from "./arguments.js";
import { literalOf, oneOf } from "./literals.js";
import { columnOf, MOOD } from "./table.js";

/** Makes expressions from one source of chance. */
export class Generator {
  readonly #random: Random;
  readonly #definitions: readonly Definition[];

  constructor(random: Random, definitions: readonly Definition[]) {
    this.#random = random;
    this.#definitions = definitions;
  }

  /** A call of a definition. */
  call(definition: Definition, depth: number): string {
    const element = oneOf(this.#random, ["int4", "text", "numeric", "timestamptz"] as const);
    const types = definition.parameters.map((parameter) => this.#real(parameter, element));
    if (definition.isVariadic) {
      for (let n = this.#random.between(0, 2); n > 0; n--) types.push(this.#real("any", element));
    }
    const args = types.map((type, i) => {
      const special = specialArgument(definition.signature, i, this.#random);
      return special ?? this.expression(type, depth - 1);
    });
    return written(definition.name, args);
  }

  /** An expression of a type. */
  expression(type: SqlType, depth: number): string {
    const random = this.#random;
    if (depth <= 0 || random.chance(0.35)) return this.#leaf(type);
    if (random.chance(0.2)) return this.#form(type, depth);
    if (type === "bool" && random.chance(0.5)) return this.condition(depth);
    if (random.chance(0.15)) return this.#cast(type, depth);
    const fitting = this.#definitions.filter((definition) => definition.result === type);
    return fitting.length === 0 ? this.#leaf(type) : this.call(oneOf(random, fitting), depth);
  }

  /** One of the forms that only conditions have. */
  condition(depth: number): string {
    const random = this.#random;
    const type = oneOf(random, COMPARED);
    const value = (): string => this.expression(type, depth - 1);
    const condition = (): string => this.expression("bool", depth - 1);
    const not = random.chance(0.4) ? "NOT " : "";
    const list = (): string =>
      Array.from({ length: random.between(1, 6) }, () => this.#bare(type)).join(", ");
    return oneOf(random, [
      () => `(${condition()} AND ${condition()})`,
      () => `(${condition()} OR ${condition()} OR ${condition()})`,
      () => `(NOT ${condition()})`,
      () => `(${value()} IS ${not}NULL)`,
      () => `(${condition()} IS ${not}${oneOf(random, ["TRUE", "FALSE", "UNKNOWN"])})`,
      () => `(${value()} IS ${not}DISTINCT FROM ${value()})`,
      () => `(${value()} ${not}IN (${list()}))`,
      () => `(${value()} ${not}IN (${value()}, ${value()}))`,
      () => `(${value()} ${not}BETWEEN ${value()} AND ${value()})`,
      () => `(${value()} ${not}BETWEEN SYMMETRIC ${value()} AND ${this.#bare(type)})`,
      () => `(${value()} ${oneOf(random, ["=", "<>", "<", ">="])} ${this.#bare(type)})`,
      () => `(${value()} = ANY (${this.#array(type)}))`,
      () => `(${value()} <> ALL (${this.#array(type)}))`,
    ])();
  }

  #form(type: SqlType, depth: number): string {
    const random = this.#random;
    const value = (): string => this.expression(type, depth - 1);
    const condition = (): string => this.expression("bool", depth - 1);
    const forms = [
      () => `(CASE WHEN ${condition()} THEN ${value()} ELSE ${value()} END)`,
      () => `(CASE WHEN ${condition()} THEN ${value()} WHEN ${condition()} THEN ${value()} END)`,
      () => `COALESCE(${value()}, ${value()})`,
    ];
    if (COMPARED.includes(type)) {
      forms.push(
        () => `NULLIF(${value()}, ${value()})`,
        () => `${oneOf(random, ["GREATEST", "LEAST"])}(${value()}, ${value()}, ${value()})`,
        () => `(CASE ${value()} WHEN ${value()} THEN ${value()} ELSE ${value()} END)`,
        () => `(${this.#array(type)})[${random.between(0, 4)}]`,
      );
    }
    return oneOf(random, forms)();
  }

  #cast(type: SqlType, depth: number): string {
    const sources = SCALAR_TYPES.filter((from) => {
      // Text that is no value of the type is rarely what a cast meets: it has a test of its own.
      const isText = ["text", "varchar", "bpchar"].includes(from);
      return !isText && conversionOf(from, type) !== null;
    });
    if (sources.length === 0) return this.#leaf(type);
    const from = this.expression(oneOf(this.#random, sources), depth - 1);
    return `(${from}::${castName(type)})`;
  }

  #array(type: SqlType): string {
    const items = Array.from({ length: this.#random.between(1, 4) }, () => this.#leaf(type));
    return `ARRAY[${items.join(", ")}]::${castName(type)}[]`;
  }

  #leaf(type: SqlType): string {
    const random = this.#random;
    const column = columnOf(type, random);
    if (column !== null && random.chance(0.7)) return column;
    if (random.chance(0.08)) return `NULL::${castName(type)}`;
    return `${quoted(literalOf(type, random))}::${castName(type)}`;
  }

  /** A literal that has to find its type. */
  #bare(type: SqlType): string {
    if (this.#random.chance(0.1)) return "NULL";
    const text = literalOf(type, this.#random);
    const isNumber = /^\d+(\.\d+)?$/.test(text) && /^(int|numeric|float)/.test(type);
    return isNumber && this.#random.chance(0.5) ? text : quoted(text);
  }

  #real(parameter: ParameterType, element: SqlType): SqlType {
    switch (parameter) {
      case "anyarray":
        return `${element}[]` as SqlType;
      case "anyenum":
        return MOOD;
      case "any":
      case "anyelement":
      case "anynonarray":
        return oneOf(this.#random, ["int4", "numeric", "bool", "date", "float8", "jsonb"] as const);
      default:
        return parameter;
    }
  }
}

/** Types whose values have an order. */
const COMPARED: readonly SqlType[] = [
  ...(["int2", "int4", "int8", "numeric", "float4", "float8", "text", "date", "time"] as const),
  ...(["timestamp", "timestamptz", "interval", "uuid", "bool"] as const),
  MOOD,
];

/** `character` without a length is one character long. */
function castName(type: SqlType): string {
  return type === "bpchar" ? "bpchar" : printedType(type);
}

/** A string literal. */
export function quoted(text: string): string {
  const inside = text.replaceAll("'", "''");
  return text.includes("\\") ? `E'${inside.replaceAll("\\", "\\\\")}'` : `'${inside}'`;
}

/** An operator or function with its arguments, in the syntax it has. */
function written(name: string, args: readonly string[]): string {
  const [a, b, c, d] = args as [string, string, string, string];
  if (!/^[a-z]/.test(name)) {
    return args.length === 1 ? `(${name} (${a}))` : `((${a}) ${name} (${b}))`;
  }
  switch (name) {
    case "extract":
      return `EXTRACT(${a} FROM ${b})`;
    case "position":
      return `POSITION((${b}) IN (${a}))`;
    case "overlay":
      return `OVERLAY(${a} PLACING ${b} FROM ${c}${d === undefined ? "" : ` FOR ${d}`})`;
    default:
      return `${name}(${args.join(", ")})`;
  }
}
