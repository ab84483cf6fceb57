import type { BlockReader, BlockWriter } from "../../../state/block.js";

const ENCODER = new TextEncoder();
// A byte order mark is a character of the value like any other.
const DECODER = new TextDecoder("utf-8", { ignoreBOM: true });

/** Writes any text; of ASCII the same bytes as `BlockWriter.text`. */
export function saveText(text: string, out: BlockWriter): void {
  out.bytes(ENCODER.encode(text));
}

/** Reads what `saveText` or `BlockWriter.text` wrote. */
export function loadText(from: BlockReader): string {
  return DECODER.decode(from.bytes());
}
