/**
 * Windows that lie where the clock says, whatever rows there are. A window is a number: its start,
 * or where several begin together its end. Windows are a step apart, in the order of their ends.
 * Rows are kept by pane, the longest stretch that no window cuts.
 */
export interface WindowGrid {
  /** Kind and measures in words, for the facts of the state. */
  readonly fact: string;
  readonly stepMs: number;
  /** The pane of a time; NaN when it lies in no window. */
  paneOf(ms: number): number;
  /** The first and last window over a pane. */
  firstOver(pane: number): number;
  lastOver(pane: number): number;
  /** A window is [from, to). */
  fromOf(window: number): number;
  toOf(window: number): number;
  /** The first window that ends after a time. */
  firstEndingAfter(ms: number): number;
}

/** Start of the stretch that holds `ms`; NaN and the infinities stay what they are. */
export function windowStart(ms: number, sizeMs: number, offsetMs: number): number {
  return Math.floor((ms - offsetMs) / sizeMs) * sizeMs + offsetMs;
}

/** Windows of one size that begin every `slideMs`, named by their starts. */
export function hoppingGrid(sizeMs: number, slideMs: number, offsetMs: number): WindowGrid {
  const paneMs = greatestDivisor(sizeMs, slideMs);
  const hasGaps = slideMs > sizeMs;
  return {
    fact: `hopping, ${sizeMs} ms every ${slideMs} ms, offset ${offsetMs} ms`,
    stepMs: slideMs,
    paneOf: (ms) => {
      const pane = windowStart(ms, paneMs, offsetMs);
      return hasGaps && pane - windowStart(pane, slideMs, offsetMs) >= sizeMs ? Number.NaN : pane;
    },
    firstOver: (pane) => windowStart(pane - sizeMs, slideMs, offsetMs) + slideMs,
    lastOver: (pane) => windowStart(pane, slideMs, offsetMs),
    fromOf: (window) => window,
    toOf: (window) => window + sizeMs,
    firstEndingAfter: (ms) => windowStart(ms - sizeMs, slideMs, offsetMs) + slideMs,
  };
}

/** Windows that begin together every `sizeMs` and end a step later each, named by their ends. */
export function cumulatingGrid(stepMs: number, sizeMs: number, offsetMs: number): WindowGrid {
  return {
    fact: `cumulating, by ${stepMs} ms up to ${sizeMs} ms, offset ${offsetMs} ms`,
    stepMs,
    paneOf: (ms) => windowStart(ms, stepMs, offsetMs),
    firstOver: (pane) => pane + stepMs,
    lastOver: (pane) => windowStart(pane, sizeMs, offsetMs) + sizeMs,
    fromOf: (window) => windowStart(window - stepMs, sizeMs, offsetMs),
    toOf: (window) => window,
    firstEndingAfter: (ms) => windowStart(ms, stepMs, offsetMs) + stepMs,
  };
}

function greatestDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestDivisor(b, a % b);
}
