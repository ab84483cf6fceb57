import { count, sum } from "../../src/pipeline/aggregate-specs.js";
import { pipeline, postgres } from "../../src/pipeline/builder.js";
import type { Plan } from "../../src/pipeline/plan.js";
import { slot } from "../../src/pipeline/specs.js";
import { tumbling } from "../../src/pipeline/window-specs.js";

/** Counts and sums of the sales by shop and minute. */
export const VIEW = "public.stats";
/** Every sale, one row each. */
export const LOG = "public.log";

/** What the simulated processes run: a view, with or without retention, and a table of all rows. */
export function simulatedPlan(outOfOrder: string, retain?: string): Plan {
  return pipeline("shop", { source: slot() }, (from) => {
    const rows = from("public.sales" as never, {
      appendOnly: true,
      eventTime: "at" as never,
      outOfOrder,
    });
    rows
      .groupBy("shop" as never)
      .window(tumbling("1 minute", "minute"))
      .aggregate({ n: count(), total: sum("amount" as never) })
      .into(postgres.view("stats", retain === undefined ? {} : { retain }));
    rows.into(postgres.append("log"));
  }).plan;
}
