import { TidemarkError } from "../core/errors.js";
import { nodesOf, type Plan } from "./plan.js";

/**
 * Throws REBUILD_REFUSED when a snapshot of the tables is not enough to make all results anew: what
 * comes from the order of the commits is in no table.
 */
export function refuseRebuild(plan: Plan): void {
  const [source] = nodesOf(plan, "source").filter(({ copy }) => !copy);
  if (source === undefined) return;
  const { id, table, reads } = source;
  const why =
    reads === "inserts"
      ? `reads the inserts of ${table} without copy: true`
      : reads === "rows"
        ? `follows the rows of ${table} with copy: false`
        : `reads the changes of ${table}`;
  throw new TidemarkError(
    "REBUILD_REFUSED",
    `Results cannot be made anew from a snapshot, because step "${id}" ${why}: what it has read ` +
      "is in no table. Nothing was changed. Put those results into a pipeline of their own, run " +
      "tidemark replay over a recording, or give them up with tidemark resync.",
    { detail: { step: id } },
  );
}
