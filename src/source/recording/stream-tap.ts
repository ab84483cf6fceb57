import type { Lsn } from "../../core/lsn.js";

/** What listens to a stream beside the decoder. */
export interface StreamTap {
  /** One message of the output plugin: the whole CopyData message is `bytes[from, to)`. */
  onMessage(bytes: Uint8Array, from: number, to: number): void;
  /** The server's clock moved the watermarks at `lsn`, behind everything that was seen. */
  onAdvance(lsn: Lsn, serverMs: number): void;
  /** An earlier run moved them at `lsn`, which the stream has yet to come to. */
  expectAdvance(lsn: Lsn, serverMs: number): void;
  /** Everything up to here is on disk; the slot must not be told more. */
  readonly durableLsn: Lsn;
  /** Makes what was seen so far durable; rejects when that fails. */
  sync(): Promise<void>;
  /** Whether reading has to stop until `onRoom` is called. */
  readonly isFull: boolean;
  onRoom(callback: () => void): void;
  /** Makes what is whole durable and ends; rejects when that fails. */
  close(): Promise<void>;
}
