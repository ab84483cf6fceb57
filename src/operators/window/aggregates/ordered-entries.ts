import type { CatalogColumn } from "../../../core/catalog.js";
import type { ResultValue } from "../../../core/output.js";
import type { Rows } from "../../../core/rows.js";
import { printArray } from "../../../expression/values/array-text.js";
import { compareCodePoints, quoteJson } from "../../../expression/values/json-tree.js";
import { BagAggregate } from "./bag-aggregate.js";
import { textAt, valueAt } from "./each-value.js";
import { arraylessType } from "./ordered-values.js";
import { type Ordering, totalOrder } from "./ordering.js";
import type { SortedBag } from "./sorted-bag.js";
import { loadText, saveText } from "./utf8-text.js";

/** A value and what puts it into order. */
interface Entry {
  /** Value of the column that orders; null for NULL, which comes last. */
  readonly by: unknown;
  /** PostgreSQL's text of the value; null for NULL. */
  readonly text: string | null;
  /** Where rows never leave: the commit LSN and the row's ordinal in the transaction, else 0. */
  readonly lsn: number;
  readonly ordinal: number;
}

/** Values of a column in the order of another one. */
export interface OrderedEntries {
  readonly column: CatalogColumn;
  /** The column that orders; null for the order of the log. */
  readonly by: { readonly column: CatalogColumn; readonly ordering: Ordering<unknown> } | null;
  readonly isRetractable: boolean;
}

/** What becomes of the entries of a group. */
interface EntryResult {
  readonly sqlType: string;
  /** -1 for the entry with the greatest `by` first. */
  readonly sign?: 1 | -1;
  /** Rows that do not count. */
  readonly skips: "no value" | "no order" | "nothing";
  readonly maxKept?: number;
  finish(bag: SortedBag<Entry>): ResultValue;
}

/** `first` and `arg_min`, or with `isLast` `last` and `arg_max`: the value of one row. */
export function edgeValue(of: OrderedEntries, isLast: boolean): BagAggregate<Entry> {
  return entriesOf(of, {
    sqlType: arraylessType(of.column),
    sign: isLast ? -1 : 1,
    skips: "no order",
    maxKept: 1,
    finish: (bag) => bag.at(0)?.text ?? null,
  });
}

/** The values of the `count` rows with the greatest `by`, the greatest first, as an array. */
export function valuesOfGreatest(of: OrderedEntries, count: number): BagAggregate<Entry> {
  return entriesOf(of, {
    sqlType: `${arraylessType(of.column)}[]`,
    sign: -1,
    skips: "no order",
    maxKept: count,
    finish: (bag) => arrayText(textsOf(bag, count)),
  });
}

/** `string_agg(column, separator)`; NULLs are left out. */
export function joinedText(of: OrderedEntries, separator: string): BagAggregate<Entry> {
  return entriesOf(of, {
    sqlType: "text",
    skips: "no value",
    finish: (bag) => (bag.total === 0 ? null : textsOf(bag).join(separator)),
  });
}

/** `array_agg(column)`, with its NULLs. */
export function arrayOf(of: OrderedEntries): BagAggregate<Entry> {
  return entriesOf(of, {
    sqlType: `${arraylessType(of.column)}[]`,
    skips: "nothing",
    finish: (bag) => arrayText(textsOf(bag)),
  });
}

/** `jsonb_agg(column)`, with its NULLs. */
export function jsonArrayOf(of: OrderedEntries): BagAggregate<Entry> {
  const print = jsonPrinter(of.column);
  return entriesOf(of, {
    sqlType: "jsonb",
    skips: "nothing",
    finish: (bag) => (bag.total === 0 ? null : `[${textsOf(bag).map(print).join(", ")}]`),
  });
}

function entriesOf(of: OrderedEntries, result: EntryResult): BagAggregate<Entry> {
  const { column, by, isRetractable } = of;
  const { sqlType, sign = 1, skips, maxKept = Number.POSITIVE_INFINITY, finish } = result;
  const order = by === null ? null : totalOrder(by.ordering);
  return new BagAggregate<Entry>({
    sqlType,
    read(rows, k, [at = -1, byAt = -1]) {
      const text = textAt({ rows, column: at, codec: column.codec }, k);
      if (text === null && skips === "no value") return undefined;
      const key = by === null ? 0 : valueAt({ rows, column: byAt, codec: by.column.codec }, k);
      if (key === null && skips === "no order") return undefined;
      return { by: key, text, ...(isRetractable ? NOWHERE : placeOf(rows, k)) };
    },
    compare: (a, b) => sign * (compareKeys(a.by, b.by, order) || compareEntries(a, b)),
    save({ by: key, text, lsn, ordinal }, out) {
      saveNullable(key === null || by === null ? null : by.ordering.format(key), out);
      saveNullable(text, out);
      out.integer(lsn);
      out.integer(ordinal);
    },
    load(from) {
      const key = loadNullable(from);
      const text = loadNullable(from);
      const parsed = by === null ? 0 : key === null ? null : by.ordering.parse(key);
      return { by: parsed, text, lsn: from.integer(), ordinal: from.integer() };
    },
    bytesPerValue: 160,
    maxKept: isRetractable ? Number.POSITIVE_INFINITY : maxKept,
    finish,
  });
}

const NOWHERE = { lsn: 0, ordinal: 0 } as const;

function placeOf({ slice, indices }: Rows, k: number): { lsn: number; ordinal: number } {
  const ordinal = slice.firstOrdinal + (indices[k] as number) - slice.from;
  return { lsn: Number(slice.commitLsn), ordinal };
}

function compareKeys(a: unknown, b: unknown, order: ((a: unknown, b: unknown) => number) | null) {
  if (a === null || b === null) return Number(a === null) - Number(b === null);
  return order?.(a, b) ?? 0;
}

/** By place in the log; where that is not known, by the text of the value, NULL last. */
function compareEntries(a: Entry, b: Entry): number {
  if (a.lsn !== b.lsn) return a.lsn - b.lsn;
  if (a.ordinal !== b.ordinal) return a.ordinal - b.ordinal;
  if (a.text === null || b.text === null) return Number(a.text === null) - Number(b.text === null);
  return compareCodePoints(a.text, b.text);
}

function textsOf(bag: SortedBag<Entry>, count = Number.POSITIVE_INFINITY): (string | null)[] {
  const texts: (string | null)[] = [];
  for (const { text } of bag) if (texts.push(text) >= count) break;
  return texts;
}

function arrayText(texts: readonly (string | null)[]): string | null {
  return texts.length === 0 ? null : printArray(texts, String);
}

/** How `to_jsonb` prints the texts of a column's values; times are in UTC, as the stream is. */
function jsonPrinter({ codec }: CatalogColumn): (text: string | null) => string {
  switch (codec.kind) {
    case "bool":
      return (text) => (text === null ? "null" : String(text === "t" || text === "true"));
    case "int":
    case "bigint":
    case "float":
    case "numeric":
      // NaN and the infinities are strings in JSON.
      return (text) => (text === null ? "null" : /\d$/.test(text) ? text : quoteJson(text));
    case "json":
      return (text) => text ?? "null";
    case "timestamp":
      return (text) => (text === null ? "null" : quoteJson(isoTime(text)));
    default:
      return (text) => (text === null ? "null" : quoteJson(text));
  }
}

function isoTime(text: string): string {
  return text.replace(" ", "T").replace(/\+00(?=$| BC)/, "+00:00");
}

function saveNullable(text: string | null, out: Parameters<typeof saveText>[1]): void {
  out.integer(text === null ? 0 : 1);
  if (text !== null) saveText(text, out);
}

function loadNullable(from: Parameters<typeof loadText>[0]): string | null {
  return from.integer() === 0 ? null : loadText(from);
}
