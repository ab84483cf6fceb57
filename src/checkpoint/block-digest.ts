import { createHash } from "node:crypto";
import type { StateBlock } from "../core/operator.js";
import { blockChecksum } from "./block-checksum.js";

/** What proves that a set of blocks is complete. */
export interface BlockProof {
  readonly blocks: number;
  /** 64 bits, signed as PostgreSQL's bigint. */
  readonly digest: bigint;
}

/** What a save makes of the set. */
export interface DigestStep {
  /** The block takes the place of the one of its name, which goes if this one is empty. */
  replace(block: StateBlock): void;
  readonly proof: BlockProof;
  /** Called once the save has happened. */
  take(): void;
}

/**
 * A number over a set of blocks that changes when a block is missing, added, altered or in another
 * one's place: the sum, modulo 2^64, of a hash of each block's operator, number and checksum. The
 * order does not matter, and replacing blocks costs the same however many others there are.
 */
export class BlockDigest {
  readonly #terms: Map<string, bigint>;
  #digest: bigint;

  constructor(blocks: readonly StateBlock[]) {
    this.#terms = new Map(blocks.map((block) => [nameOf(block), termOf(block)]));
    this.#digest = [...this.#terms.values()].reduce(sum64, 0n);
  }

  get proof(): BlockProof {
    return { blocks: this.#terms.size, digest: this.#digest };
  }

  /** Begins a change of the set; one at a time. */
  begin(): DigestStep {
    let [blocks, digest] = [this.#terms.size, this.#digest];
    const changed = new Map<string, bigint | null>();
    const replace = (block: StateBlock): void => {
      const name = nameOf(block);
      const known = changed.get(name);
      const before = known === undefined ? (this.#terms.get(name) ?? null) : known;
      const term = block.bytes.length === 0 ? null : termOf(block);
      changed.set(name, term);
      blocks += Number(term !== null) - Number(before !== null);
      digest = sum64(digest, (term ?? 0n) - (before ?? 0n));
    };
    const take = (): void => {
      for (const [name, term] of changed) {
        if (term === null) this.#terms.delete(name);
        else this.#terms.set(name, term);
      }
      this.#digest = digest;
    };
    return {
      replace,
      get proof() {
        return { blocks, digest };
      },
      take,
    };
  }
}

function nameOf({ operator, block }: StateBlock): string {
  return `${block} ${operator}`;
}

function termOf(block: StateBlock): bigint {
  const hash = createHash("sha256")
    .update(`${blockChecksum(block.bytes)} ${nameOf(block)}`)
    .digest();
  return hash.readBigInt64BE(0);
}

function sum64(a: bigint, b: bigint): bigint {
  return BigInt.asIntN(64, a + b);
}
