import type { CellCodec } from "../../src/core/cell-codec.js";
import { int8, smallInteger } from "./integers.js";
import { float, numeric } from "./numbers.js";
import { bool, bytea, json, textual } from "./texts.js";
import { date, timestamp } from "./times.js";

// OIDs of built-in types are fixed (pg_type.dat) and the same on every server.
const CODECS: ReadonlyMap<number, CellCodec> = new Map([
  [16, bool],
  [17, bytea],
  [18, textual('"char"')],
  [19, textual("name")],
  [20, int8],
  [21, smallInteger("smallint")],
  [23, smallInteger("integer")],
  [25, textual("text")],
  [26, smallInteger("oid")],
  [114, json("json")],
  [700, float("real")],
  [701, float("double precision")],
  [1042, textual("character")],
  [1043, textual("character varying")],
  [1082, date],
  [1114, timestamp("timestamp without time zone")],
  [1184, timestamp("timestamp with time zone")],
  [1700, numeric],
  [2950, textual("uuid")],
  [3802, json("jsonb")],
]);

/** The codec of a type; types that are not built in, and rarer ones, arrive as their text. */
export function codecOf(typeOid: number): CellCodec {
  return CODECS.get(typeOid) ?? UNKNOWN;
}

const UNKNOWN: CellCodec = textual("unknown", "other");
