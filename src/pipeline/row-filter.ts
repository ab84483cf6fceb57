import { printSql } from "../expression/print/print-sql.js";
import { isImmutable } from "../expression/stability.js";
import type { Condition } from "./conditions.js";
import { nodesOf, type Plan } from "./plan.js";

/**
 * The condition under which any step of the plan wants a row of a table, as SQL, for the row filter
 * of a publication; null when some step wants every row or a condition is none that a publication
 * takes.
 */
export function rowFilterOf(
  plan: Plan,
  table: string,
  conditions: ReadonlyMap<string, Condition>,
): string | null {
  const sources = nodesOf(plan, "source").filter((source) => source.table === table);
  const readers = plan.nodes.filter(
    (node) => "input" in node && sources.some((source) => source.id === node.input),
  );
  const wanted = new Set<string>();
  for (const reader of readers) {
    const tree = conditions.get(reader.id)?.tree;
    if (tree === undefined || !isImmutable(tree)) return null;
    wanted.add(printSql(tree));
  }
  if (wanted.size === 0) return null;
  return [...wanted].map((text) => (wanted.size === 1 ? text : `(${text})`)).join(" OR ");
}
