const FIRST_BYTES = 4096;
/** Up to here a loop copies faster than a call. */
const SHORT = 24;

/**
 * Cells of one column one after another: the length of the text in bytes as four bytes, high byte
 * first, then the text in UTF-8; a length of -1 is NULL. This is how PostgreSQL's binary format
 * lays out the elements of an array (array_send), so that a sink can pass a column on as it is.
 *
 * Bytes are copied when they are added, so that nothing of a socket's buffer is held.
 */
export class PackedCells {
  #bytes: Uint8Array = new Uint8Array(0);
  #used = 0;
  /** Room to begin with: as much as was needed the last time. */
  #firstBytes = FIRST_BYTES;

  /** Bytes held. */
  get size(): number {
    return this.#used;
  }

  addNull(): void {
    this.#begin(0, -1);
  }

  /** A cell whose text is `bytes[start, end)`. */
  addBytes(bytes: Uint8Array, start: number, end: number): void {
    const length = end - start;
    let at = this.#begin(length, length);
    const to = this.#bytes;
    if (length > SHORT) to.set(bytes.subarray(start, end), at);
    else for (let i = start; i < end; i++) to[at++] = bytes[i] as number;
  }

  /** A cell whose whole text is `bytes`. */
  add(bytes: Uint8Array): void {
    this.addBytes(bytes, 0, bytes.length);
  }

  /** What was added, as a view that is valid until the next addition. */
  get view(): Uint8Array {
    return this.#bytes.subarray(0, this.#used);
  }

  /** Hands over what was added and starts anew. */
  take(): Uint8Array {
    const taken = this.#bytes.subarray(0, this.#used);
    this.#firstBytes = Math.max(FIRST_BYTES, this.#used);
    this.#bytes = new Uint8Array(0);
    this.#used = 0;
    return taken;
  }

  /** Forgets what was added, and keeps the room for the next. */
  clear(): void {
    this.#used = 0;
  }

  /** Writes a length, makes room for `room` bytes behind it and returns their place. */
  #begin(room: number, length: number): number {
    const at = this.#used;
    const end = at + 4 + room;
    if (end > this.#bytes.length) this.#grow(end);
    const to = this.#bytes;
    to[at] = length >>> 24;
    to[at + 1] = length >>> 16;
    to[at + 2] = length >>> 8;
    to[at + 3] = length;
    this.#used = end;
    return at + 4;
  }

  #grow(needed: number): void {
    const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2, this.#firstBytes));
    larger.set(this.#bytes.subarray(0, this.#used));
    this.#bytes = larger;
  }
}

/** The texts of packed cells; null for NULL. */
export function unpackCells(packed: Uint8Array): (string | null)[] {
  const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
  const texts: (string | null)[] = [];
  for (let at = 0; at < packed.length; ) {
    const length = view.getInt32(at);
    at += 4;
    if (length < 0) {
      texts.push(null);
      continue;
    }
    texts.push(UTF8.decode(packed.subarray(at, at + length)));
    at += length;
  }
  return texts;
}

// A byte order mark is a character of the value like any other.
const UTF8 = new TextDecoder("utf-8", { ignoreBOM: true });
