/** When results of windows are given out, and until when windows take rows. */
export interface Emission {
  /**
   * When windows that changed are given out before they close: at every flush, or whenever event
   * time has passed a multiple of so many milliseconds. Null: not before they close.
   */
  readonly early: "flush" | number | null;
  /** How long after its end a window takes rows and closes; null: as long as its row stays. */
  readonly latenessMs: number | null;
  /** How long after its end a window's row stays in the view; null: for ever. */
  readonly retainMs: number | null;
}

/** The emission in words, for the facts of a state. */
export function emissionFact({ early, latenessMs }: Emission): string {
  const when = early === null ? "on close" : early === "flush" ? "changes" : `every ${early} ms`;
  return latenessMs === null ? when : `${when}, closed ${latenessMs} ms after the end`;
}
