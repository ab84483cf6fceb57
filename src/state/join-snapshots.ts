import type { StateSnapshot } from "../core/operator.js";

/** Snapshots of one moment as one, worked off one after the other. */
export function joinSnapshots(parts: readonly StateSnapshot[]): StateSnapshot {
  let at = 0;
  return {
    advance() {
      while (at < parts.length && parts[at]?.advance() === false) at++;
      return at < parts.length;
    },
    get blocks() {
      return parts.flatMap(({ blocks }) => blocks);
    },
  };
}
