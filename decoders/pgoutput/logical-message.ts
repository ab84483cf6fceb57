import type { LogicalMessage } from "../../src/core/batch.js";
import type { MessageReader } from "./reader.js";

/** Reads a logical message after its tag; `at` is where the batch stands. */
export function readLogicalMessage(reader: MessageReader, at: number): LogicalMessage {
  const isTransactional = (reader.uint8() & 1) === 1;
  const lsn = reader.lsn();
  const prefix = reader.cstring();
  const length = reader.length();
  const content = Uint8Array.from(reader.bytes.subarray(reader.at, reader.at + length));
  reader.at += length;
  reader.finish();
  return { at, isTransactional, lsn, prefix, content };
}
