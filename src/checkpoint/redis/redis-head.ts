import type { Position } from "../../core/position.js";
import { listOf, type RedisReply, textOf } from "./redis-session.js";

/** A generation on the list of the head. */
export interface ListedGeneration {
  readonly id: string;
  readonly position: Position;
}

/** The head of a pipeline's keys. */
export interface RedisHead {
  readonly epoch: number;
  /** Newest first; empty while only the intent to create the slot is on record. */
  readonly generations: readonly ListedGeneration[];
}

/** The fields that {@link parseHead} takes, in this order. */
export const HEAD_FIELDS = ["epoch", "system", "kept"] as const;

/** Reads the answer to HMGET of {@link HEAD_FIELDS}; null when there is no head. */
export function parseHead(reply: RedisReply): RedisHead | null {
  const [epoch, system, kept] = listOf(reply);
  if (epoch === null || epoch === undefined) return null;
  return { epoch: Number(textOf(epoch)), generations: parseKept(textOf(kept), textOf(system)) };
}

/** Reads the list of generations. */
export function parseKept(kept: string, systemId: string): ListedGeneration[] {
  return kept
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [id = "", timeline, lsn] = line.split(" ");
      const position = { systemId, timeline: Number(timeline), lsn: BigInt(`0x${lsn}`) };
      return { id, position };
    });
}

/** A generation as a line of the list. */
export function keptLine(id: string, { timeline, lsn }: Position): string {
  return `${id} ${timeline} ${lsnText(lsn)}`;
}

/** An LSN as text that sorts as the LSN does. */
export function lsnText(lsn: bigint): string {
  return lsn.toString(16).padStart(16, "0");
}
