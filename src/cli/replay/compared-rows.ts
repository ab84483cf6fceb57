import { formatLsn, type Lsn } from "../../core/lsn.js";
import type { OutputShape } from "../../core/output.js";
import { quoteIdent } from "../../core/sql.js";
import { nodesOf, type Plan, type WindowPlan } from "../../pipeline/plan.js";
import type { ReplayOutcome } from "../../pipeline/replay.js";
import type { ComparedRows } from "./compare-results.js";

/** What decides which rows a replay can be compared in. */
export interface ComparedRange {
  readonly plan: Plan;
  readonly outcome: ReplayOutcome;
  /** Where the existing results stand, or null when they have no progress. */
  readonly resultsLsn: Lsn | null;
}

/**
 * The rows that depend on nothing but the replayed range. A window that began before the range may
 * hold rows from before it, and one that is not over at its end may get more: they are left out.
 * Rows of append tables belong to their transaction.
 */
export function comparedRows(range: ComparedRange, shape: OutputShape): ComparedRows {
  const { plan, outcome, resultsLsn } = range;
  if (shape.kind === "append") {
    const from = formatLsn(outcome.fromLsn);
    const to = formatLsn(outcome.toLsn);
    return {
      words: `rows of transactions from ${from} to ${to}`,
      condition: `_commit_lsn >= '${from}' and _commit_lsn < '${to}'`,
    };
  }
  const view = nodesOf(plan, "view").find(({ table }) => table === shape.name);
  const node = nodesOf(plan, "window").find(({ id }) => id === view?.input);
  const time = shape.columns.find(({ role }) => role === "time");
  const { firstCommitMs, watermarkMs } = outcome;
  if (firstCommitMs === null) return { words: "nothing was replayed", condition: "false" };
  const window = node?.window ?? null;
  if (time === undefined || window === null) {
    return { words: "all rows, whatever the range: they have no window", condition: "" };
  }
  const moment = (ms: number): string => {
    const zoned = `to_timestamp(${ms / 1000}::float8)`;
    return time.sqlType === "timestamp with time zone" ? zoned : `${zoned} at time zone 'UTC'`;
  };
  const column = quoteIdent(time.name);
  const { stepMs, leadMs, tailMs } = reachOf(window);
  const first = Math.ceil((firstCommitMs + leadMs) / stepMs) * stepMs;
  const conditions = [`${column} >= ${moment(first)}`];
  const words = [`windows from ${new Date(first).toISOString()}`];
  if (resultsLsn !== outcome.toLsn) {
    const before = (watermarkMs ?? Number.NEGATIVE_INFINITY) - tailMs;
    const last = Number.isFinite(before) ? moment(before) : "'-infinity'";
    conditions.push(`${column} <= ${last}`);
    words.push(`that were over at the end of the range`);
  }
  return { words: words.join(" "), condition: conditions.join(" and ") };
}

/**
 * How far the time that names a window lies behind the first row it may have, and before the last;
 * of a session only that nothing can have joined it from before.
 */
function reachOf(window: WindowPlan): { stepMs: number; leadMs: number; tailMs: number } {
  switch (window.kind) {
    case "tumbling":
      return { stepMs: window.sizeMs, leadMs: 0, tailMs: window.sizeMs };
    case "hopping":
      return { stepMs: 1, leadMs: 0, tailMs: window.sizeMs };
    case "cumulating":
      return { stepMs: 1, leadMs: window.sizeMs, tailMs: 0 };
    case "session":
      return { stepMs: 1, leadMs: window.gapMs, tailMs: window.gapMs };
    case "sliding":
      return { stepMs: 1, leadMs: window.rangeMs, tailMs: 0 };
  }
}
