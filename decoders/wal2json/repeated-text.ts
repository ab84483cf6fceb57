import type { JsonCursor } from "./json-cursor.js";

/**
 * A string that most messages repeat at the same place: a schema, a table, a column's name. While
 * the bytes stay the same, so does the string.
 */
export class RepeatedText {
  value = "";
  #bytes: Uint8Array | null = null;

  /** Takes the string that the cursor read last. */
  read(cursor: JsonCursor): string {
    if (!this.#isSame(cursor)) {
      this.value = cursor.text();
      this.#bytes = cursor.bytes.slice(cursor.from, cursor.to);
    }
    return this.value;
  }

  #isSame({ bytes, from, to }: JsonCursor): boolean {
    const known = this.#bytes;
    if (known === null || known.length !== to - from) return false;
    for (let i = 0; i < known.length; i++) if (known[i] !== bytes[from + i]) return false;
    return true;
  }
}
