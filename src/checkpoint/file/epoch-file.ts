import { crc32 } from "node:zlib";
import { corrupt } from "../manifest.js";

/** What an epoch found when it claimed: generations, newest first. */
export interface EpochFile {
  readonly base: readonly string[];
}

const NAME = /^epoch-(\d+)$/;

/** The file that makes an epoch the writer. */
export function epochFileName(epoch: number): string {
  return `epoch-${epoch}`;
}

/** The epochs that have claimed, by the files there are. */
export function epochsIn(names: readonly string[]): number[] {
  return names.flatMap((name) => {
    const match = NAME.exec(name);
    return match === null ? [] : [Number(match[1])];
  });
}

export function encodeEpoch(file: EpochFile): Buffer {
  const body = JSON.stringify(file);
  return Buffer.from(`${crc32(body)} ${body}`);
}

/** Throws CHECKPOINT_CORRUPT for damaged bytes. */
export function decodeEpoch(bytes: Buffer, name: string): EpochFile {
  const text = bytes.toString("utf8");
  const at = text.indexOf(" ");
  const body = text.slice(at + 1);
  if (at < 0 || String(crc32(body)) !== text.slice(0, at)) throw corrupt(name, "wrong checksum");
  return JSON.parse(body) as EpochFile;
}
