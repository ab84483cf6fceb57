import { formatLsn } from "../core/lsn.js";
import type { Position } from "../core/position.js";
import type { Manifest } from "./manifest.js";

/** A checkpoint in generations as `tidemark status` shows it. */
export interface CheckpointFacts {
  readonly epoch: number;
  /** Null while only the intent to create the slot is on record. */
  readonly lsn: string | null;
  readonly earlier: readonly string[];
  readonly blocks: number;
  readonly state_bytes: number;
}

/** Describes what a store holds. Throws CHECKPOINT_CORRUPT when the newest manifest is damaged. */
export async function describeGenerations<G extends { readonly position: Position }>(
  contents: { readonly epoch: number; readonly generations: readonly G[] } | null,
  read: (generation: G) => Promise<Manifest>,
): Promise<CheckpointFacts | null> {
  if (contents === null) return null;
  const { epoch, generations } = contents;
  const [newest, ...earlier] = generations;
  const blocks = newest === undefined ? [] : (await read(newest)).blocks;
  return {
    epoch,
    lsn: newest === undefined ? null : formatLsn(newest.position.lsn),
    earlier: earlier.map(({ position }) => formatLsn(position.lsn)),
    blocks: blocks.length,
    state_bytes: blocks.reduce((sum, { length }) => sum + length, 0),
  };
}
