import type { Numeric, Timestamp } from "tidemark";

/** What `tidemark types` writes for the table in schema.sql. */
export interface Database {
  "public.events": PublicEvents;
}

export interface PublicEvents {
  id: bigint;
  event_type: string;
  user_id: number;
  amount: Numeric;
  data: unknown;
  created_at: Timestamp;
}
