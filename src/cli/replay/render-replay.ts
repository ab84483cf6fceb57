import { formatLsn } from "../../core/lsn.js";
import { printable } from "../render.js";
import { type Comparison, isSame } from "./compare-results.js";
import type { ReplayReport } from "./replay-command.js";

/** The report as text: what was replayed, then what differs, an output a paragraph. */
export function renderReplay(report: ReplayReport): string {
  const { source, outcome, schema, comparisons, leftovers } = report;
  const range = `${formatLsn(outcome.fromLsn)} to ${formatLsn(outcome.toLsn)}`;
  const lines = [
    `${source}: ${range}, ${outcome.transactions} transactions, ${outcome.changes} changes`,
  ];
  for (const left of leftovers)
    lines.push(`dropped schema ${left}, left by a replay that was killed`);
  if (schema !== null) lines.push(`results in schema ${schema}`);
  if (comparisons?.length === 0) lines.push("there are no results to compare with");
  return [...lines, ...(comparisons ?? []).flatMap(renderComparison)].join("\n");
}

function renderComparison(comparison: Comparison): string[] {
  const { output, compared, same, added, gone, changed, examples } = comparison;
  const verdict = isSame(comparison)
    ? `the same (${same} rows)`
    : `${added} rows new, ${gone} gone, ${changed} changed, ${same} the same`;
  const rows = examples.map(({ key, replayed, existing }) =>
    replayed === null
      ? `  gone     ${printable(key)}  was ${printable(String(existing))}`
      : existing === null
        ? `  new      ${printable(key)}  ${printable(replayed)}`
        : `  changed  ${printable(key)}  ${printable(existing)} -> ${printable(replayed)}`,
  );
  return [`${output}, ${compared}: ${verdict}`, ...rows];
}

/** The report for programs. */
export function replayJson(report: ReplayReport): unknown {
  const { source, outcome, schema, comparisons, leftovers } = report;
  const time = (ms: number | null) => (ms === null ? null : new Date(ms).toISOString());
  return {
    source,
    from: formatLsn(outcome.fromLsn),
    to: formatLsn(outcome.toLsn),
    transactions: outcome.transactions,
    changes: outcome.changes,
    firstCommit: time(outcome.firstCommitMs),
    lastCommit: time(outcome.lastCommitMs),
    watermark: time(outcome.watermarkMs),
    schema,
    leftovers,
    comparisons: comparisons?.map((comparison) => ({ ...comparison, isSame: isSame(comparison) })),
  };
}
