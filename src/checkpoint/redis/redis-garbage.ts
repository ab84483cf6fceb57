import type { Manifest } from "../manifest.js";
import { blockField } from "./redis-keys.js";

/** What may be deleted. */
export interface RedisGarbage {
  /** Ids of which nothing is left, neither a block nor a place on the list. */
  readonly whole: readonly string[];
  /** Fields to delete from the segment of an id. */
  readonly parts: readonly { readonly id: string; readonly fields: readonly string[] }[];
}

/**
 * Compares the blocks that are stored with those that the listed generations need. `manifests` has
 * every listed generation by id, null for one that is damaged.
 */
export function findGarbage(
  stored: readonly { readonly id: string; readonly fields: readonly string[] }[],
  manifests: ReadonlyMap<string, Manifest | null>,
): RedisGarbage {
  const needed = new Map<string, Set<string>>();
  for (const manifest of manifests.values()) {
    for (const entry of manifest?.blocks ?? []) {
      const fields = needed.get(entry.segment) ?? new Set();
      needed.set(entry.segment, fields.add(blockField(entry)));
    }
  }
  return {
    whole: stored.map(({ id }) => id).filter((id) => !needed.has(id) && !manifests.has(id)),
    parts: stored
      .map(({ id, fields }) => {
        return { id, fields: fields.filter((field) => needed.get(id)?.has(field) !== true) };
      })
      .filter(({ fields }) => fields.length > 0),
  };
}
