/**
 * Cuts a list into pieces of at most `maxBytes`, one entry at the least, so that neither side of a
 * connection is busy with one of them for long.
 */
export function* chunksOf<T>(
  all: readonly T[],
  maxBytes: number,
  sizeOf: (one: T) => number,
): Generator<readonly T[]> {
  for (let from = 0; from < all.length; ) {
    let to = from;
    let bytes = 0;
    while (to < all.length && (to === from || bytes + sizeOf(all[to] as T) <= maxBytes)) {
      bytes += sizeOf(all[to] as T);
      to += 1;
    }
    yield all.slice(from, to);
    from = to;
  }
}
