/** What a command that gets a pipeline out of a state has found and done. */
export interface Outcome {
  readonly command: string;
  readonly pipeline: string;
  /** False when it only said what it would do, for want of `--yes`. */
  readonly isDone: boolean;
  /** Positions and sizes, by name. */
  readonly facts: Readonly<Record<string, string | number | boolean | null>>;
  /** What is lost or changed, and what to do next; sentences. */
  readonly notes: readonly string[];
}

/** The outcome as text. */
export function renderOutcome(outcome: Outcome): string {
  const { command, pipeline, isDone, facts, notes } = outcome;
  const lines = Object.entries(facts).map(([name, value]) => `  ${name.padEnd(20)} ${value}`);
  const end = isDone ? "Done." : "Nothing was changed. Say --yes to do it.";
  return [`${command} ${pipeline}`, ...lines, ...notes.map((note) => `  ${note}`), end].join("\n");
}
