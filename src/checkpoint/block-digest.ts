import { createHash } from "node:crypto";
import { crc32 } from "node:zlib";
import type { StateBlock } from "../core/operator.js";

/** What proves that a set of blocks is complete. */
export interface BlockProof {
  readonly blocks: number;
  /** 64 bits, signed as PostgreSQL's bigint. */
  readonly digest: bigint;
}

/** What a save makes of the set. */
export interface DigestStep {
  readonly proof: BlockProof;
  /** Called once the save has happened. */
  take(): void;
}

/**
 * A number over a set of blocks that changes when a block is missing, added, altered or in another
 * one's place: the sum, modulo 2^64, of a hash of each block's operator, number and CRC-32. The
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

  /** The set with `changed` in place of its blocks of the same names; no name is there twice. */
  replace(changed: readonly StateBlock[]): DigestStep {
    let [blocks, digest] = [this.#terms.size, this.#digest];
    const terms = changed.map((block) => [nameOf(block), termOf(block)] as const);
    for (const [name, term] of terms) {
      const before = this.#terms.get(name);
      if (before === undefined) blocks += 1;
      digest = sum64(digest, term - (before ?? 0n));
    }
    const take = (): void => {
      for (const [name, term] of terms) this.#terms.set(name, term);
      this.#digest = digest;
    };
    return { proof: { blocks, digest }, take };
  }
}

function nameOf({ operator, block }: StateBlock): string {
  return `${block} ${operator}`;
}

function termOf(block: StateBlock): bigint {
  const hash = createHash("sha256")
    .update(`${crc32(block.bytes)} ${nameOf(block)}`)
    .digest();
  return hash.readBigInt64BE(0);
}

function sum64(a: bigint, b: bigint): bigint {
  return BigInt.asIntN(64, a + b);
}
