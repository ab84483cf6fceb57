/** The names of a pipeline's keys. The braces put all of them into one hash slot of a Cluster. */
export interface RedisKeys {
  readonly head: string;
  /** Ids of all generations that have a manifest or a segment, finished or not. */
  readonly ids: string;
  manifest(id: string): string;
  /** A hash of blocks, those that were dirty in one generation. */
  segment(id: string): string;
}

export function redisKeys(prefix: string, pipeline: string): RedisKeys {
  const own = `${prefix}:{${pipeline}}`;
  return {
    head: `${own}:head`,
    ids: `${own}:ids`,
    manifest: (id) => `${own}:manifest:${id}`,
    segment: (id) => `${own}:segment:${id}`,
  };
}

/** The field of a block in its segment. */
export function blockField(block: { readonly operator: string; readonly block: number }): string {
  return `${block.block} ${block.operator}`;
}
