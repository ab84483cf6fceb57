/** A chunk that has this many values is cut in two. */
const MAX_CHUNK = 512;

/** Values in a row of a bag, with how often each occurs. */
interface Chunk<T> {
  readonly values: T[];
  readonly counts: number[];
  /** The sum of `counts`. */
  total: number;
}

/**
 * Values in an order, each different one once with how often it occurs: chunks of sorted arrays, in
 * which a value is found by halving, first among the chunks and then in one. A change moves at most
 * a chunk's values; the value at a rank is found by walking the chunks.
 */
export class SortedBag<T> {
  readonly #compare: (a: T, b: T) => number;
  readonly #chunks: Chunk<T>[] = [];
  /** How many different values there are. */
  size = 0;
  /** How many values there are. */
  total = 0;

  /** A total order: only values that are the same compare as 0. */
  constructor(compare: (a: T, b: T) => number) {
    this.#compare = compare;
  }

  /** Adds `count` of a value. */
  add(value: T, count: number): void {
    this.total += count;
    const chunks = this.#chunks;
    const at = Math.min(this.#chunkOf(value), chunks.length - 1);
    const chunk = chunks[at];
    if (chunk === undefined) {
      chunks.push({ values: [value], counts: [count], total: count });
      this.size++;
      return;
    }
    chunk.total += count;
    const place = this.#placeIn(chunk, value);
    if (this.#isAt(chunk, place, value)) {
      (chunk.counts[place] as number) += count;
      return;
    }
    this.size++;
    chunk.values.splice(place, 0, value);
    chunk.counts.splice(place, 0, count);
    if (chunk.values.length > MAX_CHUNK) chunks.splice(at, 1, ...halves(chunk));
  }

  /** Removes one of a value; false when there is none. */
  remove(value: T): boolean {
    const at = this.#chunkOf(value);
    const chunk = this.#chunks[at];
    if (chunk === undefined) return false;
    const place = this.#placeIn(chunk, value);
    if (!this.#isAt(chunk, place, value)) return false;
    this.total--;
    chunk.total--;
    const left = (chunk.counts[place] as number) - 1;
    chunk.counts[place] = left;
    if (left > 0) return true;
    this.size--;
    chunk.values.splice(place, 1);
    chunk.counts.splice(place, 1);
    if (chunk.values.length === 0) this.#chunks.splice(at, 1);
    return true;
  }

  /** Forgets the last value and returns it; undefined when there is none. */
  removeLast(): T | undefined {
    const last = this.#chunks.at(-1)?.values.at(-1);
    if (last !== undefined) this.remove(last);
    return last;
  }

  /** The value at a rank, counted from 0 with repetitions; undefined beyond the last. */
  at(rank: number): T | undefined {
    let left = rank;
    for (const { values, counts, total } of this.#chunks) {
      if (left >= total) {
        left -= total;
        continue;
      }
      for (let i = 0; ; i++) {
        left -= counts[i] as number;
        if (left < 0) return values[i];
      }
    }
    return undefined;
  }

  /** The values in order, each once with how often it occurs. */
  *entries(): Generator<readonly [value: T, count: number]> {
    for (const { values, counts } of this.#chunks) {
      for (let i = 0; i < values.length; i++) yield [values[i] as T, counts[i] as number];
    }
  }

  /** The values in order, as often as they occur. */
  *[Symbol.iterator](): Generator<T> {
    for (const [value, count] of this.entries()) for (let n = 0; n < count; n++) yield value;
  }

  /** The first chunk whose last value is not before `value`; behind all if there is none. */
  #chunkOf(value: T): number {
    let [low, high] = [0, this.#chunks.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      const last = (this.#chunks[middle] as Chunk<T>).values.at(-1) as T;
      if (this.#compare(last, value) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Where `value` is or would be. */
  #placeIn({ values }: Chunk<T>, value: T): number {
    let [low, high] = [0, values.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.#compare(values[middle] as T, value) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #isAt({ values }: Chunk<T>, place: number, value: T): boolean {
    return place < values.length && this.#compare(values[place] as T, value) === 0;
  }
}

function halves<T>({ values, counts }: Chunk<T>): Chunk<T>[] {
  const middle = values.length >> 1;
  return [
    [values.slice(0, middle), counts.slice(0, middle)] as const,
    [values.slice(middle), counts.slice(middle)] as const,
  ].map(([half, of]) => ({ values: half, counts: of, total: of.reduce((sum, n) => sum + n) }));
}
