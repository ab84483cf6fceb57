import type { Clock } from "../core/clock.js";

/** The longest that setTimeout keeps; what is to happen later looks again then. */
const MAX_DELAY_MS = 2 ** 31 - 1;

/** The machine's own time and timers. */
export const systemClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  after: (delayMs, action) => {
    const timer = setTimeout(action, Math.min(delayMs, MAX_DELAY_MS));
    return () => clearTimeout(timer);
  },
  soon: (action) => {
    setImmediate(action);
  },
};
