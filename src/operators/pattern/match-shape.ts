import { TidemarkError } from "../../core/errors.js";
import type { OutputColumn, OutputShape } from "../../core/output.js";

/** A table of matches to be. */
export interface MatchTable {
  readonly step: string;
  readonly table: string;
  /** `_matched_at`, or `_timed_out_at`. */
  readonly timeColumn: string;
  readonly keys: readonly Omit<OutputColumn, "role">[];
  readonly selected: readonly Omit<OutputColumn, "role">[];
}

/** The columns of a table of matches: id and time, the key, what was selected, the events. */
export function matchShape({ step, table, timeColumn, keys, selected }: MatchTable): OutputShape {
  const values = [...keys, ...selected].map((column): OutputColumn => {
    return { ...column, role: "value" };
  });
  const columns: OutputColumn[] = [
    { name: "_match_id", sqlType: "text", role: "position" },
    { name: timeColumn, sqlType: "timestamp with time zone", role: "time" },
    ...values,
    { name: "_events", sqlType: "jsonb", role: "value" },
  ];
  const names = columns.map(({ name }) => name);
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice !== undefined) {
    throw new TidemarkError(
      "PLAN_INVALID",
      `${step}: two columns of ${table} are called "${twice}"; select it under another name.`,
    );
  }
  return { kind: "append", name: table, columns };
}
