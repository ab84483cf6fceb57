/**
 * Room outside memory for what has to be held of transactions that are still in progress. All of
 * it is synchronous, because the read path is; it throws TidemarkError SPILL_FAILED when there is
 * no room.
 */
export interface SpillStore {
  /** An empty area for one transaction. */
  open(): SpillArea;
}

/** An area that grows at its end and goes away as a whole. */
export interface SpillArea {
  /** Copies the bytes to the end. */
  append(bytes: Uint8Array): void;
  /** `length` bytes from `offset` on, in a buffer that nobody else has. */
  read(offset: number, length: number): Uint8Array;
  /** Gives the room back; nothing is called afterwards. */
  close(): void;
}
