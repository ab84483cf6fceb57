import { TidemarkError } from "../core/errors.js";
import { Numeric } from "../core/numeric.js";
import { Timestamp } from "../core/timestamp.js";
import { quoteText } from "./print/print-sql.js";

/** A PostgreSQL expression as text; it is parsed and checked when the pipeline starts. */
export interface SqlText {
  readonly kind: "sql";
  readonly text: string;
}

/** What may stand in `${…}`: it becomes a literal, or, if it is an expression, a part. */
export type SqlParameter =
  | string
  | number
  | bigint
  | boolean
  | null
  | Date
  | Numeric
  | Timestamp
  | SqlText
  | readonly SqlParameter[];

/**
 * A PostgreSQL expression, in place of a function: sql`amount > 100 AND event_type = ${type}`.
 * Values become literals, never syntax. Throws CONFIG_INVALID for one that has no literal.
 */
export function sql(parts: TemplateStringsArray, ...values: readonly SqlParameter[]): SqlText {
  // The raw text, so that '\d+' needs no second backslash, as in SQL.
  const text = parts.raw
    .map((part, i) => (i === 0 ? part : literal(values[i - 1]) + part))
    .join("");
  return Object.freeze({ kind: "sql", text });
}

/** Whether a value was made by {@link sql}. */
export function isSqlText(value: unknown): value is SqlText {
  return typeof value === "object" && value !== null && (value as SqlText).kind === "sql";
}

function literal(value: SqlParameter | undefined): string {
  switch (typeof value) {
    case "string":
      return quoteText(value);
    case "boolean":
      return String(value);
    case "number":
      if (!Number.isFinite(value)) return `'${value}'::float8`;
      return value < 0 ? `(${value})` : String(value);
    case "bigint":
      return value < 0n ? `(${value})` : String(value);
    default:
      return objectLiteral(value);
  }
}

function objectLiteral(value: object | null | undefined): string {
  if (value === null) return "NULL";
  if (isSqlText(value)) return `(${value.text})`;
  if (value instanceof Numeric) return `'${value}'::numeric`;
  if (value instanceof Timestamp) return `'${value}'::timestamptz`;
  if (value instanceof Date) return `'${Timestamp.fromDate(value)}'::timestamptz`;
  if (Array.isArray(value)) return `ARRAY[${value.map(literal).join(", ")}]`;
  throw new TidemarkError(
    "CONFIG_INVALID",
    "sql`…`: a value put in has to be a string, a number, a bigint, a boolean, null, a Date, a " +
      "Numeric, a Timestamp, a list of them, or another sql`…`.",
  );
}
