import { type Duration, parseDuration } from "../core/duration.js";
import { TidemarkError } from "../core/errors.js";
import type {
  CumulatingWindow,
  EmissionPlan,
  HoppingWindow,
  SessionWindow,
  SlidingWindow,
  TumblingWindow,
  WindowPlan,
} from "./plan.js";

/** A kind of window. */
export type WindowSpec = WindowPlan;

/** Options of {@link tumbling}. */
export interface TumblingOptions {
  /** Shifts the windows from the Unix epoch; may be negative. Default: 0. */
  readonly offset?: Duration;
  /** Another result column, with the window's end. */
  readonly end?: string;
}

/**
 * Windows of one size that follow each other: `tumbling("1 minute", "minute")` is
 * `date_trunc('minute', …)` in a result column `minute`. `offset` shifts their start from the Unix
 * epoch, in UTC.
 */
export function tumbling(
  size: Duration,
  column = "window_start",
  options: TumblingOptions = {},
): TumblingWindow {
  const sizeMs = wholeMs(size, "tumbling(size)");
  return {
    kind: "tumbling",
    sizeMs,
    offsetMs: offsetOf(options.offset, sizeMs, "tumbling(offset)"),
    column,
    otherColumn: options.end ?? null,
  };
}

/** Options of {@link hopping}. */
export interface HoppingOptions extends TumblingOptions {
  readonly size: Duration;
  /** From the start of a window to the start of the next. */
  readonly slide: Duration;
  /** Result column with the window's start. Default: `window_start`. */
  readonly column?: string;
}

/**
 * Windows of one size that begin every `slide`: `hopping({ size: "1 hour", slide: "1 minute" })`
 * has the last hour for each minute. A row is in `size / slide` windows; where the slide is longer
 * than the size, there are times in none.
 */
export function hopping(options: HoppingOptions): HoppingWindow {
  const sizeMs = wholeMs(options.size, "hopping({ size })");
  const slideMs = wholeMs(options.slide, "hopping({ slide })");
  return {
    kind: "hopping",
    sizeMs,
    slideMs,
    offsetMs: offsetOf(options.offset, slideMs, "hopping({ offset })"),
    column: options.column ?? "window_start",
    otherColumn: options.end ?? null,
  };
}

/** Options of {@link cumulating}. */
export interface CumulatingOptions {
  readonly size: Duration;
  /** From the end of a window to the end of the next; it divides the size. */
  readonly step: Duration;
  readonly offset?: Duration;
  /** Result column with the window's end, which names it. Default: `window_end`. */
  readonly column?: string;
  /** Another result column, with the window's start. */
  readonly start?: string;
}

/**
 * Windows that begin together and end a step later each, up to `size`:
 * `cumulating({ size: "1 day", step: "1 hour" })` has for each hour what the day came to so far.
 */
export function cumulating(options: CumulatingOptions): CumulatingWindow {
  const sizeMs = wholeMs(options.size, "cumulating({ size })");
  const stepMs = wholeMs(options.step, "cumulating({ step })");
  if (sizeMs % stepMs !== 0) throw invalid("cumulating({ size }) takes a multiple of step");
  return {
    kind: "cumulating",
    sizeMs,
    stepMs,
    offsetMs: offsetOf(options.offset, sizeMs, "cumulating({ offset })"),
    column: options.column ?? "window_end",
    otherColumn: options.start ?? null,
  };
}

/** Options of {@link session}. */
export interface SessionOptions {
  /** Rows of a key that are at most so far apart, exactly so far included, are in one session. */
  readonly gap: Duration;
  /** Result column with the time of the first row. Default: `session_start`. */
  readonly column?: string;
  /** Another result column, with the time of the last row. */
  readonly end?: string;
}

/** Sessions: rows of a key that follow each other closely. Rows that leave can split them. */
export function session({ gap, column, end }: SessionOptions): SessionWindow {
  return {
    kind: "session",
    gapMs: parseDuration(gap, "session({ gap })"),
    column: column ?? "session_start",
    otherColumn: end ?? null,
  };
}

/** Options of {@link sliding}. */
export interface SlidingOptions {
  /** How far back a result reaches, exactly so far included. */
  readonly range: Duration;
  /** Result column with the row's time. Default: `row_time`. */
  readonly column?: string;
}

/**
 * The time up to each row, as `OVER (PARTITION BY … ORDER BY time RANGE BETWEEN range PRECEDING AND
 * CURRENT ROW)`. Rows of one key and time are peers: they have one result, and one row in the view.
 */
export function sliding({ range, column }: SlidingOptions): SlidingWindow {
  return {
    kind: "sliding",
    rangeMs: parseDuration(range, "sliding({ range })"),
    column: column ?? "row_time",
    otherColumn: null,
  };
}

/** When results of windows are given out. */
export type Emit = "changes" | "close" | { readonly every: Duration };

/** Options of windows. */
export interface EmissionOptions {
  /**
   * `changes` (the default): windows that changed, at every flush. `close`: each window once, when
   * it has closed. `{ every }`: windows that changed, whenever event time has passed a multiple of
   * so much, and when they close.
   */
  readonly emit?: Emit;
  /**
   * How long after its end, by the watermark, a window still takes rows. Then it closes: its result
   * stays, its state is forgotten, and rows that come for it go to the late output. Default: with
   * `emit: "close"` 0; otherwise as long as its row stays in the view.
   */
  readonly lateness?: Duration;
}

/** Windows over one row may be so many where they are given out before they close. */
const MAX_WINDOWS_A_ROW = 10_000;

/** Completes and checks how results of `window` are given out. */
export function emissionOf(
  window: WindowSpec,
  { emit = "changes", lateness }: EmissionOptions,
): EmissionPlan {
  const isOnClose = emit === "close";
  const closesAfter = lateness ?? (isOnClose ? 0 : undefined);
  const latenessMs =
    closesAfter === undefined ? null : parseDuration(closesAfter, "window(..., { lateness })");
  if (isOnClose) return { early: null, latenessMs };
  const windows = windowsARow(window);
  if (windows > MAX_WINDOWS_A_ROW) {
    throw invalid(
      `each row would change ${windows} rows of the view; give results out on close with ` +
        '.window(..., { emit: "close" }), or let the windows slide less finely',
    );
  }
  if (emit === "changes") return { early: "flush", latenessMs };
  if (typeof emit !== "object") {
    throw invalid('.window(..., { emit }) takes "changes", "close" or { every: "10 seconds" }');
  }
  if (window.kind === "session" || window.kind === "sliding") {
    throw invalid(
      `${window.kind} windows are given out with every change or on close: leave every out`,
    );
  }
  return { early: wholeMs(emit.every, "window(..., { emit: { every } })"), latenessMs };
}

function windowsARow(window: WindowSpec): number {
  if (window.kind === "hopping") return Math.ceil(window.sizeMs / window.slideMs);
  return window.kind === "cumulating" ? window.sizeMs / window.stepMs : 1;
}

function wholeMs(duration: Duration, option: string): number {
  const ms = parseDuration(duration, option);
  if (ms >= 1 && Number.isInteger(ms)) return ms;
  throw invalid(`${option} takes whole milliseconds, at least 1`);
}

/** The offset that does the same, from 0 up to the size. */
function offsetOf(offset: Duration | undefined, sizeMs: number, option: string): number {
  const isNegative = typeof offset === "number" ? offset < 0 : /^\s*-/.test(offset ?? "");
  const length = typeof offset === "number" ? Math.abs(offset) : (offset ?? "0s").replace("-", "");
  const rest = parseDuration(length, option) % sizeMs;
  return isNegative && rest > 0 ? sizeMs - rest : rest;
}

function invalid(message: string): TidemarkError {
  return new TidemarkError("PLAN_INVALID", `${message}.`);
}
