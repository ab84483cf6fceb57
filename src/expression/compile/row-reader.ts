// Reads references of a row's scope from the cells of a batch.
import { lowerBoundsOf } from "../../core/array-bounds.js";
import { CalendarDate } from "../../core/calendar-date.js";
import type { CellCodec, ScaledNumber } from "../../core/cell-codec.js";
import { Numeric } from "../../core/numeric.js";
import { columnIndex, type Relation } from "../../core/relation.js";
import { TimeOfDay } from "../../core/time-of-day.js";
import { instantOf } from "../functions/casts.js";
import { COMMIT_TIME } from "../scope.js";
import { elementOf, isEnum, type SqlType } from "../sql-type.js";
import type { Reference } from "../tree.js";
import { fault } from "../values/fault.js";
import type { Value } from "../values/value.js";
import type { ComparisonName, Evaluate, ReferenceReader } from "./evaluate.js";

/** One row image as an evaluation is given it; refilled by its owner for each row. */
export interface RowFrame {
  bytes: Uint8Array;
  cells: Int32Array;
  /** Where the image's cells begin in `cells`. */
  base: number;
  /** Commit time of the row's transaction, milliseconds since the Unix epoch. */
  commitMs: number;
}

/** A frame without a row. */
export function emptyFrame(): RowFrame {
  return { bytes: new Uint8Array(0), cells: new Int32Array(0), base: 0, commitMs: 0 };
}

type ReadCell = (bytes: Uint8Array, start: number, end: number) => Value;

const MS_PER_DAY = 86_400_000;

/** Types whose values the codec makes as expressions hold them. */
const AS_DECODED: readonly SqlType[] = [
  ...(["bool", "int2", "int4", "int8", "numeric", "float8", "text", "varchar"] as const),
  ...(["bpchar", "uuid", "timestamp", "timestamptz"] as const),
];

function cellReader(type: SqlType, codec: CellCodec): ReadCell {
  if (AS_DECODED.includes(type) || isEnum(type)) {
    return (bytes, start, end) => codec.decode(bytes, start, end) as Value;
  }
  // The codec gives the nearest double of the digits; a single is a little off that.
  if (type === "float4")
    return (bytes, start, end) => Math.fround(codec.decode(bytes, start, end) as number);
  if (type === "date" && codec.readEpochMs !== undefined) {
    const read = codec.readEpochMs.bind(codec);
    return (bytes, start, end) => read(bytes, start, end) / MS_PER_DAY;
  }
  if (type === "jsonb" || type === "json") return jsonText;
  return (bytes, start, end) => fromDecoded(type, codec.decode(bytes, start, end));
}

/** In front of jsonb's binary form, which is otherwise its text. */
const JSONB_VERSION = 1;

/** Text of json, already canonical for jsonb. The bytes of a stream are Node Buffers in UTF-8. */
function jsonText(bytes: Uint8Array, start: number, end: number): string {
  const from = bytes[start] === JSONB_VERSION ? start + 1 : start;
  return (bytes as Buffer).toString("utf8", from, end);
}

/** A decoder's value as expressions hold it. */
function fromDecoded(type: SqlType, decoded: unknown): Value {
  if (decoded === null) return null;
  if (decoded instanceof CalendarDate) return decoded.epochDays;
  if (decoded instanceof TimeOfDay) return decoded.micros;
  if (decoded instanceof Uint8Array) return `\\x${Buffer.from(decoded).toString("hex")}`;
  const element = elementOf(type);
  if (element === null)
    return type === "float4" ? Math.fround(decoded as number) : (decoded as Value);
  const items = decoded as readonly unknown[];
  const isPlain = (lowerBoundsOf(items)[0] ?? 1) === 1 && !items.some(Array.isArray);
  if (!isPlain) {
    throw fault("feature_not_supported", "The array has several dimensions or bounds of its own.");
  }
  return items.map((item) => fromDecoded(element, item));
}

/** Reads a cell where it stands; NULL is null. */
function cellEvaluate(offset: number, read: ReadCell, name: string): Evaluate<RowFrame> {
  return (frame) => {
    const at = frame.base + offset;
    const start = frame.cells[at] as number;
    if (start < 0) return start === -1 ? null : unchanged(name);
    return read(frame.bytes, start, frame.cells[at + 1] as number);
  };
}

function unchanged(name: string): never {
  throw fault(
    "unchanged_toast",
    `Column ${name} was not sent, because the UPDATE left its large value alone. ` +
      "Set the table's replica identity to FULL, or do not use the column here.",
  );
}

/** A reader of one version of a table's rows. */
export function rowReader(relation: Relation): ReferenceReader<RowFrame> {
  const columnOf = (reference: Reference) => {
    const index = columnIndex(relation, reference.key);
    const column = relation.columns[index];
    if (column?.typeOid !== reference.typeOid) {
      throw new Error(`column ${reference.key} is not as the expression was checked`);
    }
    return { offset: 2 * index, codec: column.codec };
  };
  return {
    read(reference) {
      if (reference.key === COMMIT_TIME.key) return (frame) => instantOf(frame.commitMs);
      const { offset, codec } = columnOf(reference);
      return cellEvaluate(offset, cellReader(reference.type, codec), reference.key);
    },
    compare(reference, name, constant) {
      if (reference.key === COMMIT_TIME.key) return null;
      const { offset, codec } = columnOf(reference);
      const test = cellTest(reference.type, codec, { name, constant });
      if (test === null) return null;
      return cellEvaluate(offset, test, reference.key);
    },
  };
}

interface Comparison {
  readonly name: ComparisonName;
  readonly constant: Value;
}

/** A comparison on a cell's bytes, or null. */
function cellTest(type: SqlType, codec: CellCodec, comparison: Comparison): ReadCell | null {
  const { constant } = comparison;
  const hasBytesOfText = type === "text" || type === "varchar" || isEnum(type);
  if (hasBytesOfText && typeof constant === "string") {
    return textTest(comparison);
  }
  if (constant instanceof Numeric && codec.readScaled !== undefined) {
    return numericTest(codec, constant, comparison.name);
  }
  const isInteger = type === "int2" || type === "int4";
  if (isInteger && typeof constant === "number" && codec.readNumber !== undefined) {
    const holds = orderTest(comparison.name);
    const read = codec.readNumber.bind(codec);
    return (bytes, start, end) => holds(read(bytes, start, end) - constant);
  }
  return null;
}

/** Equality of text is that of its bytes. */
function textTest({ name, constant }: Comparison): ReadCell | null {
  if (name !== "=" && name !== "<>") return null;
  const wanted = Buffer.from(constant as string);
  const { length } = wanted;
  const whenEqual = name === "=";
  return (bytes, start, end) => {
    if (end - start !== length) return !whenEqual;
    for (let i = 0; i < length; i++) if (bytes[start + i] !== wanted[i]) return !whenEqual;
    return whenEqual;
  };
}

/** From so many digits on, scaled integers are not compared as doubles. */
const MAX_EXACT = 2 ** 53;

/**
 * A numeric or integer against a constant. Both are integers over a power of ten; the one with the
 * smaller scale is multiplied up, as long as the product stays exact.
 */
function numericTest(codec: CellCodec, constant: Numeric, name: ComparisonName): ReadCell {
  const holds = orderTest(name);
  const wanted = Math.abs(Number(constant.unscaled)) < MAX_EXACT ? Number(constant.unscaled) : null;
  const { scale } = constant;
  const cell: ScaledNumber = { unscaled: 0, scale: 0 };
  const isFast = wanted !== null && constant.isFinite;
  return (bytes, start, end) => {
    if (isFast && codec.readScaled?.(bytes, start, end, cell) === true) {
      const shift = cell.scale - scale;
      if (shift === 0) return holds(cell.unscaled - wanted);
      const left = shift < 0 ? cell.unscaled * (POWERS[-shift] ?? Number.NaN) : cell.unscaled;
      const right = shift > 0 ? wanted * (POWERS[shift] ?? Number.NaN) : wanted;
      if (Math.abs(left) < MAX_EXACT && Math.abs(right) < MAX_EXACT) return holds(left - right);
    }
    const value = codec.decode(bytes, start, end) as Numeric | bigint | number;
    const numeric = value instanceof Numeric ? value : Numeric.of(value);
    return holds(numeric.compare(constant));
  };
}

const POWERS: readonly number[] = Array.from({ length: 16 }, (_, n) => 10 ** n);

function orderTest(name: ComparisonName): (order: number) => boolean {
  switch (name) {
    case "=":
      return (order) => order === 0;
    case "<>":
      return (order) => order !== 0;
    case "<":
      return (order) => order < 0;
    case "<=":
      return (order) => order <= 0;
    case ">":
      return (order) => order > 0;
    case ">=":
      return (order) => order >= 0;
  }
}
