import type { ColumnRef } from "libpg-query";
import type { RawNode } from "../grammar.js";

/** A name without its schema, if that is none or pg_catalog; else null. */
export function nameOf(parts: readonly RawNode[] | undefined): string | null {
  const names = texts(parts);
  if (names === null) return null;
  const [first, second, ...more] = names;
  if (second === undefined) return first ?? null;
  return first === "pg_catalog" && more.length === 0 ? second : null;
}

/** `a.b.c` as its parts; null when there is a star in it. */
export function dottedName(raw: ColumnRef): readonly string[] | null {
  return texts(raw.fields);
}

function texts(parts: readonly RawNode[] | undefined): string[] | null {
  const names = (parts ?? []).map((part) => ("String" in part ? (part.String.sval ?? "") : null));
  return names.includes(null) ? null : (names as string[]);
}
