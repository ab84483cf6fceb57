import type { CellCodec } from "../../src/core/cell-codec.js";

const QUOTE = 0x22;
const BACKSLASH = 0x5c;

/** A place in the text of a cell. */
export interface TextCursor {
  readonly bytes: Uint8Array;
  at: number;
  readonly end: number;
}

/**
 * One value inside the text of an array, a range or a composite: as it stands, or in double quotes
 * with a backslash before what is meant literally (composites and ranges also double a quote).
 * Without escapes the value is a stretch of the cell; otherwise it is put together in a buffer of
 * its own.
 */
export class QuotedField {
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  end = 0;
  isQuoted = false;

  /**
   * Reads the field at the cursor and moves it behind: to the first byte that is one of `stops`
   * (two), or to the end. False when a quote or an escape is left open.
   */
  read(cursor: TextCursor, stops: Uint8Array): boolean {
    const { bytes, at, end } = cursor;
    this.bytes = bytes;
    this.start = at;
    this.isQuoted = false;
    let inQuotes = false;
    let hasEscapes = false;
    let i = at;
    for (; i < end; i++) {
      const byte = bytes[i] as number;
      if (byte === BACKSLASH) {
        hasEscapes = true;
        if (++i === end) return false;
      } else if (byte === QUOTE) {
        if (i > at && !inQuotes) hasEscapes = true; // a doubled quote, or one that starts late
        inQuotes = !inQuotes;
        this.isQuoted = true;
      } else if (!inQuotes && (byte === stops[0] || byte === stops[1])) break;
    }
    if (inQuotes) return false;
    this.end = i;
    if (hasEscapes) this.#unescape();
    else if (this.isQuoted) {
      this.start++;
      this.end--;
    }
    cursor.at = i;
    return true;
  }

  /** The field's value. */
  decode(codec: CellCodec): unknown {
    return codec.decode(this.bytes, this.start, this.end);
  }

  #unescape(): void {
    const { bytes, start, end } = this;
    const plain = Buffer.allocUnsafe(end - start);
    let length = 0;
    let inQuotes = false;
    for (let i = start; i < end; i++) {
      const byte = bytes[i] as number;
      if (byte === BACKSLASH) plain[length++] = bytes[++i] as number;
      else if (byte !== QUOTE) plain[length++] = byte;
      else {
        // The second of two quotes inside quotes is meant.
        if (!inQuotes && i > start && bytes[i - 1] === QUOTE) plain[length++] = QUOTE;
        inQuotes = !inQuotes;
      }
    }
    this.bytes = plain;
    this.start = 0;
    this.end = length;
  }
}
