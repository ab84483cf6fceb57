import { setTimeout as pause } from "node:timers/promises";

/** Something that looks all the time and believes nothing. */
export interface Sampling {
  /** Looks that have seen something. */
  readonly samples: number;
  /** What must never be, in words. */
  readonly violations: readonly string[];
  stop(): Promise<void>;
}

/**
 * Looks every so many milliseconds until it is stopped, then lets go with `close`. A look says what
 * it found wrong, or null when there was nothing to see yet; one that throws has seen nothing, too:
 * the tables are not there yet, or a server is down.
 */
export function sampleEvery(
  everyMs: number,
  look: (samples: number) => Promise<readonly string[] | null>,
  close: () => Promise<unknown>,
): Sampling {
  const violations: string[] = [];
  let samples = 0;
  let isStopping = false;

  async function sample(): Promise<void> {
    const found = await look(samples).catch(() => null);
    if (found === null) return;
    samples++;
    violations.push(...found);
  }

  const loop = (async () => {
    while (!isStopping) {
      await sample();
      await pause(everyMs);
    }
    await close();
  })();
  return {
    get samples() {
      return samples;
    },
    violations,
    stop: () => {
      isStopping = true;
      return loop;
    },
  };
}
