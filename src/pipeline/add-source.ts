import { type Duration, parseDuration } from "../core/duration.js";
import { TidemarkError } from "../core/errors.js";
import { joinTableName, splitTableName } from "../core/sql.js";
import type { PoisonOptions } from "./builder.js";
import type { PlanNode, PoisonPlan, SourceNode } from "./plan.js";

/** What a source step is made of. */
interface SourceParts {
  readonly eventTime?: string;
  readonly outOfOrder?: Duration;
  readonly reads: SourceNode["reads"];
  readonly copy: boolean;
  readonly onPoison?: "stop" | "dead-letter" | PoisonOptions;
}

/** Adds the step that reads a table; returns its id. */
export function addSource(nodes: PlanNode[], table: string, parts: SourceParts): string {
  const qualified = qualify(table);
  const poison = poisonPlan(table, parts);
  const node: PlanNode = {
    op: "source",
    id: uniqueId(nodes, `from ${qualified}`),
    table: qualified,
    eventTime: parts.eventTime ?? null,
    outOfOrderMs: parseDuration(parts.outOfOrder ?? 0, `from("${table}", { outOfOrder })`),
    reads: parts.reads,
    copy: parts.copy,
    ...(poison === null ? {} : { poison }),
  };
  nodes.push(node);
  return node.id;
}

function poisonPlan(table: string, parts: SourceParts): PoisonPlan | null {
  const { reads, copy, onPoison = "stop" } = parts;
  if (onPoison === "stop") return null;
  if (copy) {
    throw new TidemarkError(
      "PLAN_INVALID",
      `from("${table}"): onPoison and copy: true do not go together, because a dead letter is ` +
        "named by its commit, and a copied row has none; leave one of them out.",
    );
  }
  if (reads !== "inserts") {
    // A row put aside when it came in could later be taken out of results it was never in.
    throw new TidemarkError(
      "PLAN_INVALID",
      `from("${table}"): onPoison takes tables that are only inserted into, with appendOnly: true.`,
    );
  }
  if (onPoison === "dead-letter") return { mask: [], blockBy: null };
  const { mask = [], blockBy = null } = onPoison;
  if (typeof onPoison === "object" && blockBy?.length !== 0) return { mask, blockBy };
  throw new TidemarkError(
    "PLAN_INVALID",
    `from("${table}", { onPoison }) takes "stop", "dead-letter" or { mask, blockBy }; blockBy ` +
      "names at least one column.",
  );
}

/** `events` is `public.events`. */
export function qualify(table: string): string {
  const { schema, name } = splitTableName(table);
  return joinTableName(schema, name);
}

/** `id`, with a number behind it if there is such a step already. */
export function uniqueId(nodes: readonly PlanNode[], id: string): string {
  let unique = id;
  for (let n = 2; nodes.some((node) => node.id === unique); n++) unique = `${id} ${n}`;
  return unique;
}
