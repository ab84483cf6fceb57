import type { CheckpointHeader } from "../../core/checkpoint-store.js";
import { readManifest } from "./manifest.js";
import { Recording } from "./recording.js";

/**
 * Where the recording in a folder ends, in the form of a checkpoint; null when it holds nothing, so
 * that it begins where its slot stands.
 */
export async function readRecordingEnd(dir: string): Promise<CheckpointHeader | null> {
  if ((await readManifest(dir)) === null) return null;
  const { end } = await Recording.open(dir);
  return end === null ? null : { position: end, epoch: 0, earlier: [] };
}
