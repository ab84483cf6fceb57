import { promisify } from "node:util";
import { deflateRaw, inflateRaw } from "node:zlib";
import type { BlockCodec } from "./segment-format.js";

// Measured on rows of 207 bytes in the stream (docs/recordings.md): deflate at level 1 leaves a
// fifth and is read back faster than anything else in node:zlib; brotli at quality 0 is written
// twice as fast and read half as fast, and a recording is written once and read often. Both
// directions run on libuv's threads, beside the thread that decodes.

const deflate = promisify(deflateRaw);
const inflate = promisify<Uint8Array, { chunkSize: number; maxOutputLength: number }, Buffer>(
  inflateRaw,
);

/** The bytes as they are stored; the input must not change until it resolves. */
export async function packBlock(codec: BlockCodec, raw: Uint8Array): Promise<Uint8Array> {
  return codec === "none" ? raw : deflate(raw, { level: 1 });
}

/** The inverse; rejects, or gives another length than `rawBytes`, when the bytes are damaged. */
export async function unpackBlock(
  codec: BlockCodec,
  stored: Uint8Array,
  rawBytes: number,
): Promise<Uint8Array> {
  if (codec === "none") return stored;
  // One chunk of the right size, so that nothing is joined afterwards; zlib's least is 64.
  return inflate(stored, { chunkSize: Math.max(64, rawBytes), maxOutputLength: rawBytes + 1 });
}
