import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open, rename, rm } from "node:fs/promises";
import { createInterface } from "node:readline";
import { z } from "zod";
import { TidemarkError } from "../../core/errors.js";
import { formatLsn, parseLsn } from "../../core/lsn.js";
import type { StateBlock } from "../../core/operator.js";
import type { Position } from "../../core/position.js";

// An exported checkpoint: lines of JSON. The first says whose it is and where it stands, each of
// the others but the last is a block, the last has the SHA-256 of all before it.

const FORMAT = "tidemark checkpoint 1";

/** A checkpoint outside of any store. */
export interface ExportedCheckpoint {
  readonly pipeline: string;
  readonly epoch: number;
  readonly position: Position;
  readonly blocks: readonly StateBlock[];
}

const HEAD = z.object({
  format: z.literal(FORMAT),
  pipeline: z.string(),
  epoch: z.number().int(),
  systemId: z.string(),
  timeline: z.number().int(),
  lsn: z.string(),
});
const BLOCK = z.object({ operator: z.string(), block: z.number().int(), bytes: z.string() });
const TAIL = z.object({ blocks: z.number().int(), sha256: z.string() });

/**
 * Writes a checkpoint to `path`, whole or not at all; a file that is there is replaced. Only the
 * owner may read it, since state holds values of rows.
 */
export async function writeCheckpointFile(
  path: string,
  { pipeline, epoch, position, blocks }: ExportedCheckpoint,
): Promise<void> {
  const { systemId, timeline } = position;
  const part = `${path}.part`;
  const file = await open(part, "w", 0o600);
  const hash = createHash("sha256");
  try {
    const lsn = formatLsn(position.lsn);
    await writeLine(file, hash, { format: FORMAT, pipeline, epoch, systemId, timeline, lsn });
    for (const { operator, block, bytes } of blocks) {
      const base64 = Buffer.from(bytes).toString("base64");
      await writeLine(file, hash, { operator, block, bytes: base64 });
    }
    const sha256 = hash.digest("hex");
    await file.appendFile(`${JSON.stringify({ blocks: blocks.length, sha256 })}\n`);
    await file.sync();
  } catch (error) {
    await file.close();
    await rm(part, { force: true });
    throw error;
  }
  await file.close();
  await rename(part, path);
}

async function writeLine(file: FileHandle, hash: Hash, value: object): Promise<void> {
  const line = `${JSON.stringify(value)}\n`;
  hash.update(line);
  await file.appendFile(line);
}

/** Reads what {@link writeCheckpointFile} wrote; CHECKPOINT_CORRUPT for anything else. */
export async function readCheckpointFile(path: string): Promise<ExportedCheckpoint> {
  const hash = createHash("sha256");
  const lines = createInterface({
    input: createReadStream(path),
    crlfDelay: Number.POSITIVE_INFINITY,
  });
  let head: z.infer<typeof HEAD> | null = null;
  const blocks: StateBlock[] = [];
  let isWhole = false;
  for await (const line of lines) {
    const value = parse(line, path);
    const tail = TAIL.safeParse(value);
    if (tail.success) {
      isWhole = tail.data.blocks === blocks.length && tail.data.sha256 === hash.digest("hex");
      break;
    }
    hash.update(`${line}\n`);
    if (head === null) head = shaped(HEAD, value, path);
    else {
      const { operator, block, bytes } = shaped(BLOCK, value, path);
      blocks.push({ operator, block, bytes: Buffer.from(bytes, "base64") });
    }
  }
  if (head === null || !isWhole) throw corrupt(path);
  const { pipeline, epoch, systemId, timeline, lsn } = head;
  return { pipeline, epoch, position: { systemId, timeline, lsn: parseLsn(lsn) }, blocks };
}

function parse(line: string, path: string): unknown {
  try {
    return JSON.parse(line);
  } catch (error) {
    throw corrupt(path, error);
  }
}

function shaped<T>(schema: z.ZodType<T>, value: unknown, path: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw corrupt(path, result.error);
}

function corrupt(path: string, cause?: unknown): TidemarkError {
  return new TidemarkError(
    "CHECKPOINT_CORRUPT",
    `${path} is no exported checkpoint, or not a whole one; nothing was changed. Name a file ` +
      "that tidemark checkpoint export has written.",
    { cause },
  );
}
