import type { StateBlock } from "../../core/operator.js";
import { chunksOf } from "../chunks-of.js";
import { type BlockEntry, entryOf, restoreBlock } from "../manifest.js";
import { blockField, type RedisKeys } from "./redis-keys.js";
import { listOf, type RedisReply, type RedisSession } from "./redis-session.js";

/** Bytes of one command, so that neither side is busy with it for long. */
const CHUNK_BYTES = 2 ** 18;
/** Commands that are under way at a time; bounds what waits in buffers. */
const IN_FLIGHT = 4;

/** Writes blocks into the segment of a generation; resolves to their entries. */
export async function stageBlocks(
  session: RedisSession,
  segment: { readonly id: string; readonly key: string },
  blocks: readonly StateBlock[],
): Promise<BlockEntry[]> {
  const entries: BlockEntry[] = [];
  await inChunks(
    blocks,
    (block) => block.bytes.length,
    (chunk) => {
      entries.push(...chunk.map((block) => entryOf(block, segment.id)));
      const fields = chunk.flatMap((block) => [blockField(block), block.bytes]);
      return session.send("HSET", segment.key, ...fields);
    },
  );
  return entries;
}

/** Reads the blocks of these entries. Throws CHECKPOINT_CORRUPT unless all are what was written. */
export async function loadSegments(
  session: RedisSession,
  keys: RedisKeys,
  entries: readonly BlockEntry[],
): Promise<StateBlock[]> {
  const blocks: StateBlock[] = [];
  for (const segment of new Set(entries.map((entry) => entry.segment))) {
    const here = entries.filter((entry) => entry.segment === segment);
    await inChunks(
      here,
      (entry) => entry.length,
      async (chunk) => {
        const reply = listOf(
          await session.send("HMGET", keys.segment(segment), ...chunk.map(blockField)),
        );
        blocks.push(...chunk.map((entry, i) => restoreBlock(entry, bytesOf(reply[i]))));
      },
    );
  }
  return blocks;
}

function bytesOf(reply: RedisReply | undefined): Uint8Array | null {
  return Buffer.isBuffer(reply) ? reply : null;
}

/** Calls `work` for chunks, a few at a time. Rejects with the first failure. */
async function inChunks<T>(
  all: readonly T[],
  sizeOf: (one: T) => number,
  work: (chunk: readonly T[]) => Promise<unknown>,
): Promise<void> {
  const underWay: Promise<unknown>[] = [];
  for (const chunk of chunksOf(all, CHUNK_BYTES, sizeOf)) {
    const one = work(chunk);
    one.catch(() => {}); // awaited below, perhaps after another one has failed
    underWay.push(one);
    if (underWay.length >= IN_FLIGHT) await underWay.shift();
  }
  await Promise.all(underWay);
}
