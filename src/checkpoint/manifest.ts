import { crc32 } from "node:zlib";
import { TidemarkError } from "../core/errors.js";
import { formatLsn } from "../core/lsn.js";
import type { StateBlock } from "../core/operator.js";
import type { Position } from "../core/position.js";
import { blockChecksum } from "./block-checksum.js";

// A manifest is the table of contents of one generation. Stores that keep generations write the
// blocks first and the manifest after them; the switch to it makes the generation the newest.
// Its bytes are one line, "tidemark-checkpoint <version> <CRC-32 of the rest, hex>", then JSON.

const VERSION = 2;
const HEAD = /^tidemark-checkpoint (\d{1,9}) ([0-9a-f]{8})\n/;
const HEAD_BYTES = 64;

/** Where the newest version of a block lies, and what it must be. */
export interface BlockEntry {
  readonly operator: string;
  readonly block: number;
  /** What was written together: a file, a Redis hash. */
  readonly segment: string;
  /** Where the block begins in its segment; 0 where a segment keeps its blocks apart. */
  readonly offset: number;
  readonly length: number;
  readonly checksum: number;
}

/** One generation: a position, and all blocks of the state at it. */
export interface Manifest {
  readonly pipeline: string;
  readonly position: Position;
  readonly blocks: readonly BlockEntry[];
}

/** The manifest as bytes. */
export function encodeManifest({ pipeline, position, blocks }: Manifest): Buffer {
  const body = Buffer.from(
    JSON.stringify({
      pipeline,
      systemId: position.systemId,
      timeline: position.timeline,
      lsn: String(position.lsn),
      blocks: blocks.map((b) => [b.operator, b.block, b.segment, b.offset, b.length, b.checksum]),
    }),
  );
  const crc = crc32(body).toString(16).padStart(8, "0");
  return Buffer.concat([Buffer.from(`tidemark-checkpoint ${VERSION} ${crc}\n`), body]);
}

/**
 * Reads a manifest of `pipeline`. Throws CHECKPOINT_CORRUPT for damaged bytes, for a version that
 * this Tidemark does not know, and for another pipeline's; `name` is for the message.
 */
export function decodeManifest(bytes: Buffer, pipeline: string, name: string): Manifest {
  const head = HEAD.exec(bytes.toString("latin1", 0, HEAD_BYTES));
  if (head === null) throw corrupt(name, "it does not begin as a checkpoint does");
  if (Number(head[1]) !== VERSION) throw corrupt(name, `it has format version ${head[1]}`);
  const body = bytes.subarray(head[0].length);
  if (crc32(body) !== Number.parseInt(String(head[2]), 16)) throw corrupt(name, "wrong checksum");
  // The checksum holds, so the content is what some Tidemark has written.
  const content = JSON.parse(body.toString("utf8")) as {
    pipeline: string;
    systemId: string;
    timeline: number;
    lsn: string;
    blocks: [string, number, string, number, number, number][];
  };
  if (content.pipeline !== pipeline) {
    throw corrupt(name, `it belongs to pipeline ${content.pipeline}`);
  }
  return {
    pipeline,
    position: {
      systemId: content.systemId,
      timeline: content.timeline,
      lsn: BigInt(content.lsn),
    },
    blocks: content.blocks.map(([operator, block, segment, offset, length, checksum]) => {
      return { operator, block, segment, offset, length, checksum };
    }),
  };
}

/** The entry of a block that is being written. */
export function entryOf(block: StateBlock, segment: string, offset = 0): BlockEntry {
  const { operator, bytes } = block;
  const checksum = blockChecksum(bytes);
  return { operator, block: block.block, segment, offset, length: bytes.length, checksum };
}

/** The entries of `kept` without those of the blocks that a save replaces or removes. */
export function withoutBlocks(
  kept: readonly BlockEntry[],
  gone: readonly StateBlock[],
): BlockEntry[] {
  const byOperator = new Map<string, Set<number>>();
  for (const { operator, block } of gone) {
    const numbers = byOperator.get(operator) ?? new Set();
    byOperator.set(operator, numbers.add(block));
  }
  return kept.filter(({ operator, block }) => byOperator.get(operator)?.has(block) !== true);
}

/** The block of an entry. Throws CHECKPOINT_CORRUPT unless these are the bytes that were saved. */
export function restoreBlock(entry: BlockEntry, bytes: Uint8Array | null): StateBlock {
  const { operator, block, length, checksum } = entry;
  const name = `block ${block} of ${operator}`;
  if (bytes === null || bytes.length < length) throw corrupt(name, "it is missing or cut short");
  if (bytes.length > length || blockChecksum(bytes) !== checksum)
    throw corrupt(name, "wrong checksum");
  return { operator, block, bytes };
}

/** CHECKPOINT_CORRUPT for a part of a checkpoint. */
export function corrupt(name: string, why: string): TidemarkError {
  return new TidemarkError(
    "CHECKPOINT_CORRUPT",
    `The checkpoint cannot be used, ${name}: ${why}. Nothing was loaded; restore the checkpoint ` +
      "store from a backup that is not older than the slot, or run with --reset.",
  );
}

/** FENCED, as every store says it. */
export function fenced(pipeline: string): TidemarkError {
  return new TidemarkError(
    "FENCED",
    `Another instance of pipeline ${pipeline} has taken over its checkpoint; this one stops. ` +
      "Nothing it held back was written.",
    { detail: { pipeline } },
  );
}

/** Throws FENCED unless a save to `position` may follow the generation at `current`. */
export function requireFollows(current: Position, position: Position, pipeline: string): void {
  const isOther = current.systemId !== position.systemId;
  if (isOther || position.lsn < current.lsn) {
    throw new TidemarkError(
      "FENCED",
      `The checkpoint of pipeline ${pipeline} stands at ${formatLsn(current.lsn)} of system ` +
        `${current.systemId}; another instance has moved it. This one stops.`,
      { detail: { pipeline } },
    );
  }
}
