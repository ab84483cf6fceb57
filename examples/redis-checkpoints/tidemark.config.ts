import { count, defineConfig, pipeline, postgres, redis, slot, sum, tumbling } from "tidemark";
import type { Database } from "../realtime-stats/tidemark-types.js";

// The table of ../realtime-stats/schema.sql, with the state in a Redis behind two Sentinels.
// SOURCE: TIDEMARK_SOURCE_URL. The URL gives login, database and TLS; docs/checkpoints.md.
const checkpoint = redis({
  url: process.env["CHECKPOINT_REDIS_URL"] ?? "redis://checkpoints:6379/0",
  sentinel: { name: "checkpoints", nodes: ["sentinel-1:26379", "sentinel-2:26379"] },
});

export default defineConfig(
  pipeline<Database>("shop_minutes", { source: slot(), checkpoint }, (from) => {
    from("public.events", { eventTime: "created_at", outOfOrder: "5s", appendOnly: true })
      .groupBy("event_type")
      .window(tumbling("1 minute", "time_window"))
      .aggregate({ event_count: count(), total_amount: sum("amount") })
      .into(postgres.view("events_by_minute", { retain: "24 hours" }));
  }),
);
