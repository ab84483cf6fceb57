import { TidemarkError } from "./errors.js";

/**
 * A byte position in the write-ahead log, 0 to 2^64 - 1. Hexadecimal text exists only at the edges
 * (`pg_lsn` in SQL, logs).
 */
export type Lsn = bigint;

/** The position before all others; START_REPLICATION reads it as "where the slot stands". */
export const ZERO_LSN: Lsn = 0n;
/** The greatest there is. */
export const MAX_LSN: Lsn = 0xffff_ffff_ffff_ffffn;

/** Reads PostgreSQL's `16/B374D848` form. Throws BAD_VALUE on anything else. */
export function parseLsn(text: string): Lsn {
  const match = /^([0-9A-Fa-f]{1,8})\/([0-9A-Fa-f]{1,8})$/.exec(text);
  if (match === null) {
    throw new TidemarkError("BAD_VALUE", "An LSN has the form 16/B374D848, in hexadecimal digits.");
  }
  return (BigInt(`0x${match[1]}`) << 32n) | BigInt(`0x${match[2]}`);
}

/** Prints as PostgreSQL prints `pg_lsn`. */
export function formatLsn(lsn: Lsn): string {
  const high = (lsn >> 32n).toString(16).toUpperCase();
  const low = (lsn & 0xffffffffn).toString(16).toUpperCase();
  return `${high}/${low}`;
}

/** The later of two positions. */
export function maxLsn(a: Lsn, b: Lsn): Lsn {
  return a > b ? a : b;
}
