import type { Lsn } from "../core/lsn.js";

/** The three positions a standby reports; PostgreSQL moves the slot to `flush`. */
export interface StandbyPositions {
  /** Received. */
  readonly write: Lsn;
  /** Durable: the checkpoint. */
  readonly flush: Lsn;
  /** Visible in the results. */
  readonly apply: Lsn;
}

const POSTGRES_EPOCH_MS = 946_684_800_000;

/**
 * A Standby status update: Byte1 'r', three Int64 positions, Int64 clock in microseconds since
 * 2000-01-01, Byte1 1 to ask for an answer (manual, 54.4).
 */
export function encodeStandbyStatus(
  positions: StandbyPositions,
  clockMs: number,
  askReply: boolean,
): Buffer {
  const message = Buffer.alloc(34);
  message[0] = 0x72;
  message.writeBigUInt64BE(positions.write, 1);
  message.writeBigUInt64BE(positions.flush, 9);
  message.writeBigUInt64BE(positions.apply, 17);
  message.writeBigInt64BE(BigInt(Math.round((clockMs - POSTGRES_EPOCH_MS) * 1000)), 25);
  message[33] = askReply ? 1 : 0;
  return message;
}
