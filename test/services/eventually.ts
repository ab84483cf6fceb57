import { setTimeout as pause } from "node:timers/promises";

const EVERY_MS = 20;

/**
 * Asks until the answer is neither `false` nor `undefined`, and returns it. `what` and `explain`
 * are for the failure, which comes after `withinMs`. A probe that throws is asked again: servers
 * that the test restarts refuse connections meanwhile.
 */
export async function eventually<T>(
  what: string,
  probe: () => T | Promise<T>,
  { withinMs = 20_000, explain = () => "" }: Patience = {},
): Promise<Exclude<T, false | undefined>> {
  let last: unknown;
  for (const deadline = performance.now() + withinMs; performance.now() < deadline; ) {
    try {
      const answer = await probe();
      if (answer !== false && answer !== undefined) return answer as Exclude<T, false | undefined>;
      last = answer;
    } catch (error) {
      last = error;
    }
    await pause(EVERY_MS);
  }
  const seen = last instanceof Error ? last.message : String(last);
  throw new Error(`not within ${withinMs} ms: ${what} (last: ${seen})\n${explain()}`);
}

/** How long to ask, and what to add to the failure. */
export interface Patience {
  readonly withinMs?: number;
  readonly explain?: () => string;
}
