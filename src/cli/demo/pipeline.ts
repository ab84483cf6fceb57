import type { Numeric } from "../../core/numeric.js";
import {
  count,
  type PipelineDefinition,
  pipeline,
  postgres,
  slot,
  sum,
  type Timestamp,
  tumbling,
} from "../../index.js";

/** The demo's table, as `tidemark types` would write it. */
interface Database {
  "public.events": {
    id: bigint;
    event_type: string;
    user_id: number;
    amount: Numeric;
    data: unknown;
    created_at: Timestamp;
  };
}

export const EVENTS_TABLE = `
  create table if not exists events (
    id bigserial primary key,
    event_type text not null,
    user_id integer not null,
    amount numeric(12,2) not null,
    data jsonb,
    created_at timestamptz not null default now()
  )`;

/** What the view has to equal, run on the source. */
export const SOURCE_QUERY = `
  select event_type, date_trunc('minute', created_at) as time_window,
         count(*) as event_count, sum(amount) as total_amount
  from events group by 1, 2`;

/** The per-minute count and sum, kept in the same database. */
export function demoPipeline(url: string): PipelineDefinition {
  return pipeline<Database>(
    "demo",
    { source: slot({ url, publication: "stream_publication" }) },
    (from) => {
      from("public.events", { eventTime: "created_at", outOfOrder: "5s", appendOnly: true })
        .groupBy("event_type")
        .window(tumbling("1 minute", "time_window"))
        .aggregate({ event_count: count(), total_amount: sum("amount") })
        .into(postgres.view("mv_realtime_stats"));
    },
  );
}
