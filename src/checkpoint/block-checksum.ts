import { crc32 } from "node:zlib";

const TAIL_BYTES = 4;

/**
 * The checksum by which a store knows a block: the CRC-32 of its last four bytes and then of those
 * before them. In their own order it would say nothing: a state block ends with its own CRC-32, and
 * the CRC-32 of all such blocks is the same number.
 */
export function blockChecksum(bytes: Uint8Array): number {
  const at = Math.max(0, bytes.length - TAIL_BYTES);
  return crc32(bytes.subarray(0, at), crc32(bytes.subarray(at)));
}
