import type { Position } from "../../core/position.js";

/** A generation as its file is called. The position is in the name in case the content is lost. */
export interface NamedGeneration {
  readonly name: string;
  readonly epoch: number;
  /** Counts the saves of an epoch, from 1; 0 is the first checkpoint of all, before any save. */
  readonly sequence: number;
  readonly position: Position;
}

const NAME = /^generation-(\d+)-(\d+)-(\d+)-(\d+)-([0-9a-f]{16})$/;

/** Names a generation. */
export function nameGeneration(
  epoch: number,
  sequence: number,
  position: Position,
): NamedGeneration {
  const lsn = position.lsn.toString(16).padStart(16, "0");
  const name = `generation-${epoch}-${sequence}-${position.systemId}-${position.timeline}-${lsn}`;
  return { name, epoch, sequence, position };
}

/** The generation that a file holds; null for other files. */
export function parseGeneration(name: string): NamedGeneration | null {
  const match = NAME.exec(name);
  if (match === null) return null;
  const [, epoch, sequence, systemId = "", timeline, lsn] = match;
  const position = { systemId, timeline: Number(timeline), lsn: BigInt(`0x${lsn}`) };
  return { name, epoch: Number(epoch), sequence: Number(sequence), position };
}
