import { TidemarkError } from "../../src/core/errors.js";
import type { SpillStore } from "../../src/core/spill.js";
import { HeldTransaction } from "./held-transaction.js";
import type { MessageReader } from "./reader.js";
import type { RelationVersion } from "./relation-versions.js";

/** Bytes of held transactions in memory before they spill. */
const DEFAULT_HELD_BYTES = 32 * 2 ** 20;

/**
 * The transactions of a connection that have begun to arrive and have not committed. Together they
 * take at most `maxBytes` of memory: past that, the largest one spills.
 */
export class HeldTransactions {
  readonly #byXid = new Map<number, HeldTransaction>();
  readonly #spill: SpillStore | null;
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(spill: SpillStore | null, maxBytes: number = DEFAULT_HELD_BYTES) {
    this.#spill = spill;
    this.#maxBytes = maxBytes;
  }

  get(xid: number): HeldTransaction | undefined {
    return this.#byXid.get(xid);
  }

  begin(xid: number): HeldTransaction {
    const held = new HeldTransaction(xid);
    this.#byXid.set(xid, held);
    return held;
  }

  /** Appends a message to a transaction; see HeldTransaction. */
  append(held: HeldTransaction, subxid: number, reader: MessageReader): void {
    const before = held.heldBytes;
    held.append(subxid, reader);
    this.#grow(held.heldBytes - before);
  }

  /** Notes a relation's shape in a transaction; see HeldTransaction. */
  use(held: HeldTransaction, version: RelationVersion): void {
    const before = held.heldBytes;
    held.use(version);
    this.#grow(held.heldBytes - before);
  }

  /** Hands a transaction over to be delivered; its memory no longer counts here. */
  take(held: HeldTransaction): void {
    this.#byXid.delete(held.xid);
    this.#bytes -= held.heldBytes;
  }

  /** Forgets a transaction. */
  drop(held: HeldTransaction): void {
    this.take(held);
    held.close();
  }

  close(): void {
    for (const held of this.#byXid.values()) held.close();
    this.#byXid.clear();
    this.#bytes = 0;
  }

  #grow(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes > this.#maxBytes) this.#spillLargest();
  }

  #spillLargest(): void {
    let largest: HeldTransaction | null = null;
    for (const held of this.#byXid.values()) {
      if (largest === null || held.heldBytes > largest.heldBytes) largest = held;
    }
    if (largest === null) return;
    if (this.#spill === null) {
      throw new TidemarkError(
        "SPILL_FAILED",
        "Transactions in progress take more memory than the decoder may use, and it was given no " +
          "place to spill to. Raise maxHeldBytes, give it a spill store, or ask the server not " +
          "to stream.",
      );
    }
    this.#bytes -= largest.heldBytes;
    largest.spill(this.#spill);
  }
}
