import type { SqlType } from "../sql-type.js";
import type { Value } from "../values/value.js";

/** A type in a signature: a real one, or one that stands for several (manual, 36.2.5). */
export type ParameterType = SqlType | AnyType;

type AnyType = "anyarray" | "anyelement" | "anynonarray" | "anyenum" | "any";

/** Computes a result from values in the order of the signature. */
// biome-ignore lint/suspicious/noExplicitAny: each function takes the values of its own types
export type Run = (...args: any[]) => Value;

/** What a function may ask about the place it is used in, once, when it is compiled. */
export interface CallSite {
  readonly types: readonly SqlType[];
  /** The values of constant arguments; undefined where an argument is not constant. */
  readonly constants: readonly (Value | undefined)[];
  readonly collation: string | null;
}

/** An operator or function, by PostgreSQL's name and types. */
export interface Definition {
  readonly name: string;
  /** `+(int4,int4)`; unique. */
  readonly signature: string;
  readonly parameters: readonly ParameterType[];
  readonly result: ParameterType;
  /** A strict one gives NULL for any NULL and is not called. */
  readonly isStrict: boolean;
  /** Whether it can throw EXPRESSION_FAILED. */
  readonly canFail: boolean;
  /** Stable ones depend on the session (its time zone, say): no publication may filter by them. */
  readonly isStable: boolean;
  /** The last parameter may come any number of times. */
  readonly isVariadic: boolean;
  /** PostgreSQL defines it as the same with its two arguments exchanged: the second comes first. */
  readonly isExchanged: boolean;
  /** `order`: compares text; `ctype`: depends on what is a letter, and on case. */
  readonly collates: "order" | "equality" | "ctype" | null;
  /** Parameters that have to be constants here, because they are prepared once. */
  readonly constantParameters: readonly number[];
  prepare(site: CallSite): Run;
}

/** What differs from the usual: strict, cannot fail, immutable, no collation. */
export interface DefinitionOptions {
  readonly isStrict?: boolean;
  readonly canFail?: boolean;
  readonly isStable?: boolean;
  readonly isVariadic?: boolean;
  readonly isExchanged?: boolean;
  readonly collates?: "order" | "equality" | "ctype";
  readonly constantParameters?: readonly number[];
}

/** Defines by signature, `name(type,type)`, with a function that is the same at every place. */
export function define(
  signature: string,
  result: ParameterType,
  how: Run | ({ readonly run: Run } & DefinitionOptions),
): Definition {
  const { run, ...options } = typeof how === "function" ? { run: how } : how;
  return prepared(signature, result, { ...options, prepare: () => run });
}

/** Like {@link define} for a function that can throw EXPRESSION_FAILED. */
export function fallible(signature: string, result: ParameterType, run: Run): Definition {
  return define(signature, result, { run, canFail: true });
}

/** Defines a function that is made for each place it is used in. */
export function prepared(
  signature: string,
  result: ParameterType,
  how: DefinitionOptions & { prepare(site: CallSite): Run },
): Definition {
  const open = signature.lastIndexOf("(");
  const inside = signature.slice(open + 1, -1);
  return {
    name: signature.slice(0, open),
    signature,
    parameters: inside === "" ? [] : (inside.split(",") as ParameterType[]),
    result,
    isStrict: how.isStrict ?? true,
    canFail: how.canFail ?? false,
    isStable: how.isStable ?? false,
    isVariadic: how.isVariadic ?? false,
    isExchanged: how.isExchanged ?? false,
    collates: how.collates ?? null,
    constantParameters: how.constantParameters ?? [],
    prepare: how.prepare,
  };
}
