/** Room left over, as a part of what was written, that is not worth a copy. */
const MAX_WASTE = 0.25;

/**
 * Bytes that grow at their end. Integers are unsigned LEB128, all else is little-endian.
 */
export class ByteWriter {
  #bytes: Uint8Array;
  #view: DataView;
  #length = 0;

  /** With room for so many bytes; more is made as they come. */
  constructor(capacity = 1024) {
    this.#bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.#bytes.buffer);
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  /** What was written so far, as a view that is valid until more is. */
  get written(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }

  /** What was written, which the caller owns; the writer is done. */
  take(): Uint8Array {
    const { written } = this;
    const isTight = this.#bytes.length - this.#length <= this.#length * MAX_WASTE;
    return isTight ? written : written.slice();
  }

  /** A non-negative integer up to 2^53 - 1. */
  integer(value: number): void {
    this.#reserve(8);
    let rest = value;
    while (rest >= 128) {
      this.#bytes[this.#length++] = (rest % 128) | 128;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#length++] = rest;
  }

  uint32(value: number): void {
    this.#reserve(4);
    this.#view.setUint32(this.#length, value, true);
    this.#length += 4;
  }

  double(value: number): void {
    this.#reserve(8);
    this.#view.setFloat64(this.#length, value, true);
    this.#length += 8;
  }

  /** The length and the bytes. */
  bytes(value: Uint8Array): void {
    this.integer(value.length);
    this.append(value);
  }

  /** The bytes alone. */
  append(value: Uint8Array): void {
    this.#reserve(value.length);
    this.#bytes.set(value, this.#length);
    this.#length += value.length;
  }

  /** ASCII text. */
  text(value: string): void {
    this.integer(value.length);
    this.#reserve(value.length);
    for (let i = 0; i < value.length; i++) this.#bytes[this.#length++] = value.charCodeAt(i);
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const larger = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + count));
    larger.set(this.#bytes);
    this.#bytes = larger;
    this.#view = new DataView(larger.buffer);
  }
}
