import { type Paint, painter, printable } from "../render.js";
import type { Finding } from "./finding.js";

const STYLES = { ok: "good", warn: "doubtful", fail: "bad" } as const;

/** The findings as text: a line each, with cost and fix below, and a last line that counts. */
export function renderFindings(
  findings: readonly Finding[],
  options: { readonly color: boolean },
): string {
  const paint = painter(options.color);
  const width = Math.max(...findings.map(({ name }) => name.length), 0);
  const count = (verdict: Finding["verdict"]): number =>
    findings.filter((finding) => finding.verdict === verdict).length;
  const total = `${count("ok")} ok, ${count("warn")} to consider, ${count("fail")} to mend`;
  return [...findings.map((finding) => renderFinding(finding, width, paint)), "", total].join("\n");
}

function renderFinding(finding: Finding, width: number, paint: Paint): string {
  const { name, verdict, summary, cost, fix } = finding;
  const mark = paint(STYLES[verdict], verdict.padEnd(4));
  const lines = [`${mark}  ${printable(name).padEnd(width)}  ${printable(summary)}`];
  if (cost !== undefined) lines.push(`      ${paint("quiet", "cost")}  ${printable(cost)}`);
  if (fix !== undefined) lines.push(`      ${paint("quiet", "fix")}   ${printable(fix)}`);
  return lines.join("\n");
}
