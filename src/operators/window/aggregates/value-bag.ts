/** Heap entries of values that left are let stand up to twice the values there are and these. */
const SLACK = 16;

interface Entry<T> {
  readonly value: T;
  readonly text: string;
  count: number;
}

/**
 * Values with how often each occurs, and the first of them by an order: a heap from which values
 * that left are taken when they come to the top, so that each addition and removal costs O(log n)
 * on average. Values with the same text are one value.
 */
export class ValueBag<T> {
  readonly #comesFirst: (a: T, b: T) => boolean;
  readonly #entries = new Map<string, Entry<T>>();
  #heap: Entry<T>[] = [];

  /** `comesFirst(a, b)`: whether a is strictly before b. */
  constructor(comesFirst: (a: T, b: T) => boolean) {
    this.#comesFirst = comesFirst;
  }

  /** Values that are there, each once, with their texts and how often they occur. */
  get entries(): IterableIterator<Readonly<Entry<T>>> {
    return this.#entries.values();
  }

  /** How many different values there are. */
  get size(): number {
    return this.#entries.size;
  }

  /** Adds `count` of a value. */
  add(value: T, text: string, count: number): void {
    const known = this.#entries.get(text);
    if (known !== undefined) {
      known.count += count;
      return;
    }
    const entry = { value, text, count };
    this.#entries.set(text, entry);
    if (this.#heap.length > 2 * this.#entries.size + SLACK) this.#rebuild();
    else this.#push(entry);
  }

  /** Removes one of a value; false when there is none. */
  remove(text: string): boolean {
    const known = this.#entries.get(text);
    if (known === undefined) return false;
    if (--known.count === 0) this.#entries.delete(text);
    return true;
  }

  /** The first value; undefined when there is none. */
  first(): T | undefined {
    for (;;) {
      const top = this.#heap[0];
      if (top === undefined || top.count > 0) return top?.value;
      this.#pop();
    }
  }

  /** Leaves out what has left, which would otherwise stay until it came to the top. */
  #rebuild(): void {
    this.#heap = [];
    for (const entry of this.#entries.values()) this.#push(entry);
  }

  #push(entry: Entry<T>): void {
    const heap = this.#heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !this.#comesFirst(entry.value, above.value)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = entry;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    if (last === undefined || heap.length === 0) return;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      const [left, right] = [heap[child], heap[child + 1]];
      if (left === undefined) break;
      let next = left;
      if (right !== undefined && this.#comesFirst(right.value, left.value)) {
        next = right;
        child++;
      }
      if (!this.#comesFirst(next.value, last.value)) break;
      heap[at] = next;
      at = child;
    }
    heap[at] = last;
  }
}
