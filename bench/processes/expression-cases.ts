// The conditions that the expression benchmark measures: as PostgreSQL expressions, as functions
// written by hand for the same rows, and in CEL.
import type { Numeric } from "../../src/core/numeric.js";
import type { Timestamp } from "../../src/core/timestamp.js";

/** A row as the hand-written functions see it. */
export interface MeasuredRow {
  readonly event_type: string;
  readonly amount: Numeric;
  readonly quantity: number;
  readonly data: { readonly level?: string };
  readonly created_at: Timestamp;
}

/** One condition, three times. */
export interface ExpressionCase {
  readonly title: string;
  readonly sql: string;
  readonly byHand: (row: MeasuredRow) => boolean;
  /** Over plain numbers and strings: CEL has no numeric and no timestamps from text. */
  readonly cel: string;
}

const HOUR_MS = 3_600_000;
const AN_HOUR = Date.UTC(2026, 10, 23, 6);

/** The cases, with the class of numbers that the rows are made of. */
export function expressionCases(numeric: typeof Numeric): readonly ExpressionCase[] {
  const HUNDRED = numeric.of(100);
  const THOUSAND = numeric.of(1000);
  return [
    {
      title: "an equality",
      sql: "event_type = 'alert'",
      byHand: (row) => row.event_type === "alert",
      cel: "event_type == 'alert'",
    },
    {
      title: "amount > 100 AND event_type = 'alert'",
      sql: "amount > 100 AND event_type = 'alert'",
      byHand: (row) => row.amount.greaterThan(HUNDRED) && row.event_type === "alert",
      cel: "amount > 100.0 && event_type == 'alert'",
    },
    {
      title: "a jsonb path compared",
      sql: "data ->> 'level' = 'high'",
      byHand: (row) => row.data.level === "high",
      cel: "data.level == 'high'",
    },
    {
      title: "a numeric product compared",
      sql: "amount * quantity > 1000",
      byHand: (row) => row.amount.multiply(numeric.of(row.quantity)).greaterThan(THOUSAND),
      cel: "amount * quantity > 1000.0",
    },
    {
      title: "a time bucket",
      sql: "date_trunc('hour', created_at) = '2026-11-23 06:00:00+00'",
      byHand: (row) => Math.floor(row.created_at.epochMs / HOUR_MS) * HOUR_MS === AN_HOUR,
      cel: "created_at - created_at % 3600000 == 1795413600000",
    },
  ];
}
