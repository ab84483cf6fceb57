import type { Numeric, Published, Timestamp } from "tidemark";

/** What `tidemark types` writes for the table in schema.sql. */
export interface Database {
  "public.events": Published<PublicEvents, PublicEventsKey, PublicEventsLarge>;
}

export interface PublicEvents {
  id: bigint;
  event_type: string;
  user_id: number;
  amount: Numeric;
  data: unknown;
  created_at: Timestamp;
}

export interface PublicEventsKey {
  id: bigint;
}

export type PublicEventsLarge = "event_type" | "data";
