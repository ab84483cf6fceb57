import type { ResultValue } from "../../core/output.js";
import { Timestamp } from "../../core/timestamp.js";
import type { WindowCells } from "./view-rows.js";

/** How the windows of a step are printed. */
export interface WindowPrint {
  /** Whether times are printed without a zone. */
  readonly isLocalTime: boolean;
  /** The time that a second column shows, of the window's number; null where there is none. */
  readonly otherOf: ((window: number) => number) | null;
}

/** The cells of windows that are named by one time, in milliseconds since the Unix epoch. */
export function windowCells(print: WindowPrint): (window: number) => WindowCells {
  const { isLocalTime, otherOf } = print;
  return (window) => ({
    names: [timeCell(window, isLocalTime)],
    others: otherOf === null ? [] : [timeCell(otherOf(window), isLocalTime)],
  });
}

/** A time as a result; NaN, the window of rows without a time, is NULL. */
function timeCell(ms: number, isLocalTime: boolean): ResultValue {
  if (Number.isNaN(ms)) return null;
  const time = Timestamp.of(ms);
  return isLocalTime ? time.toLocalString() : time;
}
