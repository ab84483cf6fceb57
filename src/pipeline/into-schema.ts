import { TidemarkError } from "../core/errors.js";
import { joinTableName, splitTableName } from "../core/sql.js";
import { outputTablesOf, type Plan } from "./plan.js";

/** The table that stands for an output of a pipeline when it is written into another schema. */
export function tableInSchema(table: string, schema: string): string {
  return joinTableName(schema, splitTableName(table).name);
}

/** The same plan with all its tables in one schema. Throws PLAN_INVALID where two would be one. */
export function intoSchema(plan: Plan, schema: string): Plan {
  const tables = outputTablesOf(plan).map((table) => tableInSchema(table, schema));
  const twice = tables.find((table, i) => tables.indexOf(table) !== i);
  if (twice !== undefined) {
    throw new TidemarkError(
      "PLAN_INVALID",
      `Two outputs of the pipeline would both be ${twice}: they have one name in two schemas. ` +
        "Replay into stdout instead.",
    );
  }
  const nodes = plan.nodes.map((node) =>
    "table" in node && node.op !== "source"
      ? { ...node, table: tableInSchema(node.table, schema) }
      : node,
  );
  return { ...plan, nodes };
}
