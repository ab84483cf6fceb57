import { formatDuration } from "../core/duration.js";
import { DEAD_LETTERS } from "../core/poison.js";
import { stepsOf } from "../operators/pattern/definition.js";
import { aggregateText, conditionText } from "./compile-aggregates.js";
import type { EmissionPlan, Plan, PlanNode, PoisonPlan, WindowNode, WindowPlan } from "./plan.js";

/** The plan as lines of text, a step a line, in the words of docs/concepts.md. */
export function describePlan(plan: Plan): string {
  const lines = plan.nodes.map((node) => `  ${node.id}: ${describeNode(node)}`);
  return [`pipeline ${plan.pipeline}`, ...lines].join("\n");
}

function describeHaving({ having }: WindowNode): string {
  return having === undefined ? "" : ` having ${conditionText(having)}`;
}

function describeNode(node: PlanNode): string {
  switch (node.op) {
    case "source": {
      const time = node.eventTime === null ? "commit time" : `event time ${node.eventTime}`;
      const bound = formatDuration(node.outOfOrderMs);
      const kind = { inserts: "append-only", changes: "every change", rows: "rows as they stand" }[
        node.reads
      ];
      const copy = node.copy ? ", begun with a copy" : "";
      const poison = node.poison === undefined ? "" : `, ${describePoison(node.poison)}`;
      const read = `${node.table}, ${kind}${copy}`;
      return `changes of ${read}, ${time}, out of order by up to ${bound}${poison}`;
    }
    case "filter":
      return typeof node.predicate === "function"
        ? `of ${node.input}: rows that pass a function`
        : `of ${node.input}: rows where ${node.predicate.text.trim()}`;
    case "filterChanges":
      return `of ${node.input}: changes that pass a function`;
    case "window": {
      const by = node.keys.length === 0 ? "" : ` by ${node.keys.join(", ")}`;
      const aggregates = node.aggregates.map((a) => `${a.name} = ${aggregateText(a)}`);
      const of = node.window === null ? "groups" : describeWindow(node.window);
      const emission = describeEmission(node.emission);
      const results = `${aggregates.join(", ")}${describeHaving(node)}`;
      return `of ${node.input}: ${of}${by}: ${results}${emission}`;
    }
    case "late":
      return `of ${node.input}: table ${node.table}, late rows`;
    case "view": {
      const retain = node.retainMs === null ? "kept" : `kept for ${formatDuration(node.retainMs)}`;
      return `of ${node.input}: table ${node.table}, windows ${retain}`;
    }
    case "match": {
      const steps = stepsOf(node.pattern.elements).map(({ name, contiguity }, i) =>
        i === 0 ? name : `${contiguity} ${name}`,
      );
      const by = node.keys.length === 0 ? "" : ` by ${node.keys.join(", ")}`;
      const { withinMs } = node.pattern;
      const within = withinMs === null ? "" : ` within ${formatDuration(withinMs)}`;
      return `of ${node.input}: pattern${by}: ${steps.join(" ")}${within}`;
    }
    case "matches": {
      const rows = { matched: "matches", timedOut: "timed-out partial matches", late: "late rows" };
      return `of ${node.input}: table ${node.table}, ${rows[node.kind]}`;
    }
    case "append": {
      const retain = node.retainMs === null ? "kept" : `kept for ${formatDuration(node.retainMs)}`;
      const columns = node.columns === null ? "all columns" : node.columns.join(", ");
      return `of ${node.input}: table ${node.table}, a row a change (${columns}), ${retain}`;
    }
  }
}

function describeWindow(window: WindowPlan): string {
  if (window.kind === "session") return `sessions with gaps up to ${formatDuration(window.gapMs)}`;
  if (window.kind === "sliding") return `the ${formatDuration(window.rangeMs)} up to each row`;
  const size = formatDuration(window.sizeMs);
  if (window.kind === "hopping")
    return `windows of ${size} every ${formatDuration(window.slideMs)}`;
  if (window.kind === "tumbling") return `windows of ${size}`;
  return `windows growing by ${formatDuration(window.stepMs)} up to ${size}`;
}

function describeEmission({ early, latenessMs }: EmissionPlan): string {
  const closes =
    latenessMs === null ? "" : `, windows close ${formatDuration(latenessMs)} after their end`;
  if (early === "flush") return closes;
  const when = early === null ? "given out on close" : `given out every ${formatDuration(early)}`;
  return `, ${when}${closes}`;
}

function describePoison({ mask, blockBy }: PoisonPlan): string {
  const blocks = blockBy === null ? "" : `, blocking by ${blockBy.join(", ")}`;
  const masks = mask.length === 0 ? "" : `, masking ${mask.join(", ")}`;
  return `poison rows to ${DEAD_LETTERS}${blocks}${masks}`;
}
