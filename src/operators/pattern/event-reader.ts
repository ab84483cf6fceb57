import type { Relation } from "../../core/relation.js";
import { Row } from "../../core/row.js";
import type { Evaluate, ReferenceReader } from "../../expression/compile/evaluate.js";
import { emptyFrame, type RowFrame, rowReader } from "../../expression/compile/row-reader.js";
import { conversionOf } from "../../expression/functions/casts.js";
import { definitionOf } from "../../expression/functions/catalog.js";
import { comparerOf } from "../../expression/functions/comparisons.js";
import type { Run } from "../../expression/functions/definition.js";
import type { Named } from "../../expression/scope.js";
import type { SqlType } from "../../expression/sql-type.js";
import type { Reference } from "../../expression/tree.js";
import type { Value } from "../../expression/values/value.js";
import { eventReference } from "./event-reference.js";
import type { MatchedRows } from "./row-conditions.js";

/** What a condition in SQL is asked with; refilled for each question. */
export interface EventFrame {
  row: Row;
  matched: MatchedRows;
}

type ReadRow = (row: Row) => Value;

/** Reads references of a pattern's scope; `columns` are the table's, by name. */
export function eventReader(columns: ReadonlyMap<string, Named>): ReferenceReader<EventFrame> {
  return { read: (reference) => readerOf(reference, columns) };
}

function readerOf(reference: Reference, columns: ReadonlyMap<string, Named>): Evaluate<EventFrame> {
  const asked = eventReference(reference.key);
  const { type, typeOid } = columns.get(asked.column) ?? reference;
  const read = columnReader({ ...reference, key: asked.column, type, typeOid });
  if (asked.of === "row") return ({ row }) => read(row);
  const { step, offset } = asked;
  const rowsOf = ({ matched }: EventFrame): readonly Row[] => matched[step] as readonly Row[];
  switch (asked.of) {
    case "first":
      return (frame) => cellOf(rowsOf(frame)[offset], read);
    case "last":
      return (frame) => cellOf(rowsOf(frame).at(-1 - offset), read);
    case "count":
      return (frame) => BigInt(rowsOf(frame).length);
    default: {
      const gather = gathering(asked.of, type, reference.type);
      return (frame) => {
        const values = rowsOf(frame).map(read);
        return gather(values.filter((value) => value !== null));
      };
    }
  }
}

function cellOf(row: Row | undefined, read: ReadRow): Value {
  return row === undefined ? null : read(row);
}

/** Reads a column of rows that may be of several versions of their table. */
function columnReader(reference: Reference): ReadRow {
  const frame = emptyFrame();
  let relation: Relation | null = null;
  let evaluate: Evaluate<RowFrame> = () => null;
  return (row) => {
    const view = Row.view(row);
    if (view.relation !== relation) {
      evaluate = rowReader(view.relation).read(reference);
      relation = view.relation;
    }
    frame.bytes = view.bytes;
    frame.cells = view.cells;
    frame.base = view.base;
    return evaluate(frame);
  };
}

/** One value of several, none of them NULL; of none it is NULL, as in PostgreSQL. */
function gathering(
  of: "sum" | "avg" | "min" | "max",
  from: SqlType,
  to: SqlType,
): (values: readonly Value[]) => Value {
  if (of === "min" || of === "max") {
    const compare = comparerOf(from);
    if (compare === null) throw new Error(`values of type ${from} have no order`);
    const wanted = of === "max" ? 1 : -1;
    const better = (a: Value, b: Value): Value => (Math.sign(compare(b, a)) === wanted ? b : a);
    return (values) => (values.length === 0 ? null : values.reduce(better));
  }
  const convert = conversionOf(from, to)?.run as Run;
  const sum = (values: readonly Value[]): Value =>
    values.map((value) => convert(value)).reduce(operator("+", to));
  if (of === "sum") return (values) => (values.length === 0 ? null : sum(values));
  const divide = operator("/", to);
  const counted = conversionOf("int8", to)?.run as Run;
  return (values) =>
    values.length === 0 ? null : divide(sum(values), counted(BigInt(values.length)));
}

function operator(name: string, type: SqlType): (a: Value, b: Value) => Value {
  const signature = `${name}(${type},${type})`;
  const site = { types: [type, type], constants: [undefined, undefined], collation: null };
  return definitionOf(signature).prepare(site);
}
