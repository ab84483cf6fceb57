import type { CellCodec } from "../../src/core/cell-codec.js";
import { array } from "./arrays.js";
import { binaryArray, binaryMultirange, binaryRange } from "./binary/binary-containers.js";
import { binaryFloat4, binaryFloat8, binaryNumeric } from "./binary/binary-numbers.js";
import { binaryBool, binaryBytea, binaryJsonb, binaryUuid } from "./binary/binary-texts.js";
import { binaryDate, binaryInterval, binaryTime, binaryTimestamp } from "./binary/binary-times.js";
import { binaryInt8, binaryInteger, int16, int32 } from "./binary/fixed-integer.js";
import { interval, time } from "./clock-times.js";
import { int8, smallInteger } from "./integers.js";
import { float, numeric } from "./numbers.js";
import { multirange, range } from "./ranges.js";
import { bool, bytea, json, textual } from "./texts.js";
import { date, timestamp } from "./times.js";

/** How a type's cells are read in both forms; null where the binary form stays unread. */
export interface TypeCodecs {
  readonly text: CellCodec;
  readonly binary: CellCodec | null;
}

// OIDs of built-in types are fixed (pg_type.dat) and the same on every server.

/** Types whose binary form is their text. */
const SAME: readonly (readonly [oid: number, codec: CellCodec])[] = [
  [18, textual('"char"')],
  [19, textual("name")],
  [25, textual("text")],
  [1042, textual("character")],
  [1043, textual("character varying")],
  [114, json("json")],
];

/** Types that are read in both forms. */
const BOTH: readonly (readonly [oid: number, text: CellCodec, binary: CellCodec])[] = [
  [16, bool, binaryBool],
  [17, bytea, binaryBytea],
  [20, int8, binaryInt8],
  [21, smallInteger("smallint"), binaryInteger({ typeName: "smallint", length: 2, read: int16 })],
  [23, smallInteger("integer"), binaryInteger({ typeName: "integer", length: 4, read: int32 })],
  [
    26,
    smallInteger("oid"),
    binaryInteger({ typeName: "oid", length: 4, read: (bytes, at) => int32(bytes, at) >>> 0 }),
  ],
  [700, float("real"), binaryFloat4],
  [701, float("double precision"), binaryFloat8],
  [1082, date, binaryDate],
  [1083, time("time without time zone"), binaryTime("time without time zone")],
  [1114, timestamp("timestamp without time zone"), binaryTimestamp("timestamp without time zone")],
  [1184, timestamp("timestamp with time zone"), binaryTimestamp("timestamp with time zone")],
  [1186, interval, binaryInterval],
  [1266, time("time with time zone"), binaryTime("time with time zone")],
  [1700, numeric, binaryNumeric],
  [2950, textual("uuid"), binaryUuid],
  [3802, json("jsonb"), binaryJsonb],
];

/**
 * Types that are their text and whose binary form is not read: money prints by the locale, and the
 * others are rarely computed with.
 */
const TEXT_ONLY: readonly (readonly [oid: number, typeName: string])[] = [
  [142, "xml"],
  [600, "point"],
  [601, "lseg"],
  [602, "path"],
  [603, "box"],
  [604, "polygon"],
  [628, "line"],
  [650, "cidr"],
  [718, "circle"],
  [774, "macaddr8"],
  [790, "money"],
  [829, "macaddr"],
  [869, "inet"],
  [1560, "bit"],
  [1562, "bit varying"],
  [3220, "pg_lsn"],
  [3614, "tsvector"],
  [3615, "tsquery"],
  [4072, "jsonpath"],
];

/** Array types by the type of their elements. */
const ARRAYS: readonly (readonly [oid: number, element: number])[] = [
  [143, 142],
  [199, 114],
  [629, 628],
  [651, 650],
  [719, 718],
  [775, 774],
  [791, 790],
  [1000, 16],
  [1001, 17],
  [1002, 18],
  [1003, 19],
  [1005, 21],
  [1007, 23],
  [1009, 25],
  [1014, 1042],
  [1015, 1043],
  [1016, 20],
  [1017, 600],
  [1018, 601],
  [1019, 602],
  [1020, 603],
  [1021, 700],
  [1022, 701],
  [1027, 604],
  [1028, 26],
  [1040, 829],
  [1041, 869],
  [1115, 1114],
  [1182, 1082],
  [1183, 1083],
  [1185, 1184],
  [1187, 1186],
  [1231, 1700],
  [1270, 1266],
  [1561, 1560],
  [1563, 1562],
  [2951, 2950],
  [3221, 3220],
  [3643, 3614],
  [3645, 3615],
  [3807, 3802],
  [4073, 4072],
  [3905, 3904],
  [3907, 3906],
  [3909, 3908],
  [3911, 3910],
  [3913, 3912],
  [3927, 3926],
  [6150, 4451],
  [6151, 4532],
  [6152, 4533],
  [6153, 4534],
  [6155, 4535],
  [6157, 4536],
];

/** A range type, its multirange and the type of their bounds. */
interface RangeType {
  readonly oid: number;
  readonly multirangeOid: number;
  /** Without `range` or `multirange`. */
  readonly prefix: string;
  readonly bound: number;
}

const RANGES: readonly RangeType[] = [
  { oid: 3904, multirangeOid: 4451, prefix: "int4", bound: 23 },
  { oid: 3906, multirangeOid: 4532, prefix: "num", bound: 1700 },
  { oid: 3908, multirangeOid: 4533, prefix: "ts", bound: 1114 },
  { oid: 3910, multirangeOid: 4534, prefix: "tstz", bound: 1184 },
  { oid: 3912, multirangeOid: 4535, prefix: "date", bound: 1082 },
  { oid: 3926, multirangeOid: 4536, prefix: "int8", bound: 20 },
];

const BOX = 603;

/** PostgreSQL's own types by OID. */
export const BUILT_IN_TYPES: ReadonlyMap<number, TypeCodecs> = collect();

function collect(): Map<number, TypeCodecs> {
  const types = new Map<number, TypeCodecs>();
  for (const [oid, codec] of SAME) types.set(oid, { text: codec, binary: codec });
  for (const [oid, text, binary] of BOTH) types.set(oid, { text, binary });
  for (const [oid, name] of TEXT_ONLY) {
    types.set(oid, { text: textual(name, "other"), binary: null });
  }
  const known = (oid: number): TypeCodecs => types.get(oid) as TypeCodecs;
  for (const { oid, multirangeOid, prefix, bound } of RANGES) {
    types.set(oid, rangeCodecs(`${prefix}range`, known(bound)));
    types.set(multirangeOid, multirangeCodecs(`${prefix}multirange`, known(bound)));
  }
  for (const [oid, element] of ARRAYS) {
    types.set(oid, arrayCodecs(known(element), element === BOX ? ";" : ","));
  }
  return types;
}

/** Arrays of a type in both forms. */
export function arrayCodecs({ text, binary }: TypeCodecs, delimiter: string): TypeCodecs {
  return { text: array(text, delimiter), binary: binary && binaryArray(binary) };
}

/** A range type in both forms. */
export function rangeCodecs(typeName: string, { text, binary }: TypeCodecs): TypeCodecs {
  return { text: range(typeName, text), binary: binary && binaryRange(typeName, binary) };
}

/** A multirange type in both forms; `bound` is the type of the bounds. */
export function multirangeCodecs(typeName: string, { text, binary }: TypeCodecs): TypeCodecs {
  return { text: multirange(typeName, text), binary: binary && binaryMultirange(typeName, binary) };
}
