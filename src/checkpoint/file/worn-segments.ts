import type { BlockEntry } from "../manifest.js";

/** Garbage below this is not worth copying anything for, in bytes. */
const SLACK_BYTES = 2 ** 20;

/**
 * Segments whose blocks are to be written again, so that the segments can go: those that are mostly
 * garbage, once all segments together take more than twice what they are needed for. What is copied
 * is then less than half of what was written since, so a save stays within twice its dirty blocks
 * on average, and the folder within about twice the state.
 */
export function wornSegments(
  entries: readonly BlockEntry[],
  sizes: ReadonlyMap<string, number>,
): ReadonlySet<string> {
  const live = new Map<string, number>();
  for (const { segment, length } of entries) live.set(segment, (live.get(segment) ?? 0) + length);
  const sum = (values: Iterable<number>): number => [...values].reduce((a, b) => a + b, 0);
  const sizeOf = (segment: string): number => sizes.get(segment) ?? 0;
  const total = sum([...live.keys()].map(sizeOf));
  if (total <= 2 * sum(live.values()) + SLACK_BYTES) return new Set();
  return new Set(
    [...live].filter(([name, bytes]) => bytes * 2 < sizeOf(name)).map(([name]) => name),
  );
}
