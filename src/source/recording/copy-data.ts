import type { Lsn } from "../../core/lsn.js";

// A CopyData message: Byte1 'd', Int32 length, and in it XLogData (Byte1 'w', Int64 start, Int64
// end, Int64 clock, message) or a keepalive (Byte1 'k', Int64 end of WAL, Int64 clock, Byte1).
// Manual: 54.7, 54.4. The reading side is frames.ts.

/** Where the output plugin's message stands in a CopyData message with XLogData. */
export const PLUGIN_MESSAGE = 30;

const KEEPALIVE_BYTES = 23;
const POSTGRES_EPOCH_MS = 946_684_800_000;

/** A keepalive as a server sends it that asks for no reply. */
export function encodeKeepalive(walEnd: Lsn, serverMs: number): Buffer {
  const bytes = Buffer.alloc(KEEPALIVE_BYTES);
  bytes[0] = 0x64;
  bytes.writeUInt32BE(KEEPALIVE_BYTES - 1, 1);
  bytes[5] = 0x6b;
  bytes.writeBigUInt64BE(walEnd, 6);
  bytes.writeBigInt64BE(BigInt(Math.round((serverMs - POSTGRES_EPOCH_MS) * 1000)), 14);
  return bytes;
}
