import type { Numeric } from "../../src/core/numeric.js";
import type { Timestamp } from "../../src/core/timestamp.js";

/** A row of the benchmark's table, as `tidemark types` would describe it. */
export interface EventRow {
  id: bigint;
  event_type: string | null;
  user_id: number | null;
  amount: Numeric | null;
  data: unknown;
  created_at: Timestamp | null;
}

/** Where `touch` leaves what it read, so that no compiler may skip the reading. */
export const touched: { -readonly [C in keyof EventRow]: EventRow[C] } = {
  id: 0n,
  event_type: null,
  user_id: null,
  amount: null,
  data: null,
  created_at: null,
};

/** Decodes every column of a row, as code does that uses all of them. */
export function touch(row: Readonly<EventRow>): void {
  touched.id = row.id;
  touched.event_type = row.event_type;
  touched.user_id = row.user_id;
  touched.amount = row.amount;
  touched.data = row.data;
  touched.created_at = row.created_at;
}
